package kafkasink

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"

	"github.com/sqlaudit/bun/sink"
)

// ErrNotAnEvent is what a message is that [Decode] can't read: another
// program's, a tombstone, or one that was damaged.
var ErrNotAnEvent = errors.New("the message is not an event")

// ErrVersion is what a message of a version is that this package doesn't know
// yet.
var ErrVersion = errors.New("the message is of a newer version")

// Decode reads a message that [Encode] or a relay made, whatever topic it comes
// from. Members and headers that it doesn't know it ignores. The errors are
// [ErrNotAnEvent] and [ErrVersion].
//
// The same event may arrive more than once: tell by its ID.
func Decode(m kafka.Message) (Message, error) {
	var value struct {
		Version int `json:"v"`
		sink.Event
	}
	if len(m.Value) == 0 {
		return Message{}, fmt.Errorf("kafkasink: decode: %w: it has no value", ErrNotAnEvent)
	}
	if err := json.Unmarshal(m.Value, &value); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return Message{}, fmt.Errorf("kafkasink: decode: %w: its value is not JSON", ErrNotAnEvent)
		}
		return Message{}, fmt.Errorf("kafkasink: decode: %w: its value has another form", ErrNotAnEvent)
	}
	switch {
	case value.Version > version:
		return Message{}, fmt.Errorf("kafkasink: decode: %w: %d, and this package reads up to %d", ErrVersion, value.Version, version)
	case value.Version < 1:
		return Message{}, fmt.Errorf("kafkasink: decode: %w: its value has no version", ErrNotAnEvent)
	case value.ID == "" || value.Op == "" || value.Table == "" || value.Tx == "" || value.Time.IsZero():
		return Message{}, fmt.Errorf("kafkasink: decode: %w: its value lacks id, time, op, table or tx", ErrNotAnEvent)
	}
	out := Message{Event: value.Event}
	for _, h := range m.Headers {
		switch h.Key {
		case headerSource:
			out.Source = string(h.Value)
		case headerSequence:
			seq, err := strconv.ParseInt(string(h.Value), 10, 64)
			if err != nil || seq < 1 {
				return Message{}, fmt.Errorf("kafkasink: decode: %w: its header %s is no number", ErrNotAnEvent, headerSequence)
			}
			out.Sequence = seq
		}
	}
	return out, nil
}
