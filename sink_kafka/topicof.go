package kafkasink

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// topicOf returns the topic of an event. What Config.TopicOf does wrong is an
// error of this event.
func (c Config) topicOf(row *eventrow.Row) (string, error) {
	if c.TopicOf == nil {
		return c.Topic, nil
	}
	e, err := row.ToEvent()
	if err != nil {
		return "", err
	}
	var topic string
	err = guard(c.Log, "Config.TopicOf", e.ID, func() { topic = c.TopicOf(&e) })
	switch {
	case err != nil:
		return "", err
	case topic == "":
		return c.Topic, nil
	case !isTopicName(topic):
		return "", fmt.Errorf("kafkasink: Config.TopicOf returned %s", notATopic(topic))
	}
	return topic, nil
}

// guard calls a function of the user's, named what, for an event. A panic of it is
// an error of this event.
func guard(log *slog.Logger, what, event string, call func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("kafkasink: "+what+" panicked", "event", event, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("kafkasink: %s panicked: %v", what, p)
		}
	}()
	call()
	return nil
}

// maxTopicName is the most bytes that Kafka takes in a topic's name.
const maxTopicName = 249

// isTopicName reports whether a topic may have this name.
func isTopicName(name string) bool {
	isOther := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}
	return name != "" && name != "." && name != ".." && len(name) <= maxTopicName && !strings.ContainsFunc(name, isOther)
}

// notATopic says what is wrong with a name.
func notATopic(name string) string {
	return fmt.Sprintf("%.100q, which can't be the name of a topic: Kafka takes up to %d letters of ASCII, digits, dots, underscores and hyphens",
		name, maxTopicName)
}
