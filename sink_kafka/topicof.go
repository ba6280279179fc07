package kafkasink

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
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
	topic, err := c.callTopicOf(&e)
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

func (c Config) callTopicOf(e *sink.Event) (topic string, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Log.Error("kafkasink: Config.TopicOf panicked", "event", e.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("kafkasink: Config.TopicOf panicked: %v", p)
		}
	}()
	return c.TopicOf(e), nil
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
