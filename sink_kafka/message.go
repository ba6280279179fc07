package kafkasink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// version is that of the messages' value. Within a version members are added and
// none is removed or changed.
const version = 1

// The headers of a message: CloudEvents 1.0 in the binary mode of its Kafka
// binding.
const (
	headerContentType  = "content-type"
	headerSpecVersion  = "ce_specversion"
	headerID           = "ce_id"
	headerSource       = "ce_source"
	headerType         = "ce_type"
	headerSubject      = "ce_subject"
	headerTime         = "ce_time"
	headerSequence     = "ce_sequence"
	headerPartitionKey = "ce_partitionkey"
	headerTraceParent  = "traceparent"
)

// Message is an event as it was published.
type Message struct {
	Event sink.Event

	// Source is the [Config.Source] of the program that made the event.
	Source string

	// Sequence orders the events of one outbox: a greater one was written later,
	// as far as one row is concerned. It is 0 where there was no outbox.
	Sequence int64
}

// Encode returns the message that publishes m, without a topic. Its key is the
// table and the row's key, so that all events of a row are in one partition.
func Encode(m Message) (kafka.Message, error) {
	row, err := eventrow.FromEvent(&m.Event)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("kafkasink: encode event: %w", err)
	}
	row.Seq = m.Sequence
	enc := newEncoder(m.Source)
	return enc.encode(&row)
}

// encoder makes messages, one after the other in the same memory.
type encoder struct {
	contentType, specVersion, source []byte // of all messages

	bytes   []byte
	headers []kafka.Header
}

func newEncoder(source string) encoder {
	return encoder{contentType: []byte("application/json"), specVersion: []byte("1.0"), source: []byte(source)}
}

// encode makes the message of a row, whose JSON columns are taken as they are. The
// message is there until the next one is made.
func (e *encoder) encode(row *eventrow.Row) (kafka.Message, error) {
	members, err := membersOf(row.Key)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("kafkasink: encode key of event %s: %w", row.ID, err)
	}
	kind := "row"
	if len(members) == 0 {
		kind = "table"
	}
	// As large as it becomes, as far as that is known.
	b := slices.Grow(e.bytes[:0], 640+3*len(row.Key)+len(row.OldKey)+len(row.Changes)+len(row.Meta))
	e.bytes = b
	cut := func() []byte {
		part := b[:len(b):len(b)]
		b = b[len(b):]
		return part
	}
	m := kafka.Message{Headers: e.headers[:0]}
	header := func(name string, value []byte) {
		m.Headers = append(m.Headers, kafka.Header{Key: name, Value: value})
	}
	b = appendKey(append(append(b, row.Table...), '|'), members)
	m.Key = cut()
	header(headerContentType, e.contentType)
	header(headerSpecVersion, e.specVersion)
	b = append(b, row.ID...)
	header(headerID, cut())
	header(headerSource, e.source)
	b = append(append(append(append(append(b, "io.sqlaudit."...), kind...), '.'), row.Op...), ".v"...)
	b = strconv.AppendInt(b, version, 10)
	header(headerType, cut())
	b = appendSubject(append(b, row.Table...), members)
	header(headerSubject, cut())
	b = row.Time.Time().AppendFormat(b, time.RFC3339Nano)
	made := cut()
	header(headerTime, made)
	header(headerPartitionKey, m.Key)
	if row.Seq != 0 {
		b = appendSequence(b, row.Seq)
		header(headerSequence, cut())
	}
	if row.TraceID != "" && row.SpanID != "" {
		// Whether the trace is sampled isn't known.
		b = append(append(append(append(append(b, "00-"...), row.TraceID...), '-'), row.SpanID...), "-00"...)
		header(headerTraceParent, cut())
	}
	b = appendValue(b, row, made)
	m.Value = cut()
	e.headers = m.Headers
	return m, nil
}

// appendSequence appends n with 20 digits, so that the order of the texts is that
// of the numbers.
func appendSequence(b []byte, n int64) []byte {
	const digits = "00000000000000000000"
	from := len(b)
	b = strconv.AppendInt(append(b, digits...), n, 10)
	return append(b[:from], b[len(b)-len(digits):]...)
}

// appendKey appends the value of a key of one column, or an array of the values
// in the order of the columns' names.
func appendKey(b []byte, members []member) []byte {
	if len(members) == 1 {
		return append(b, members[0].value...)
	}
	for i, m := range members {
		if i == 0 {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = append(b, m.value...)
	}
	if len(members) > 0 {
		b = append(b, ']')
	}
	return b
}

// appendSubject is like appendKey for people: a text has no quotes.
func appendSubject(b []byte, members []member) []byte {
	if len(members) == 0 {
		return b
	}
	b = append(b, '/')
	if len(members) == 1 && members[0].value[0] == '"' {
		var text string
		if json.Unmarshal(members[0].value, &text) == nil {
			return append(b, text...)
		}
	}
	return appendKey(b, members)
}

// appendValue appends the JSON of an event, with its version. Made is its time.
func appendValue(b []byte, row *eventrow.Row, made []byte) []byte {
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, version, 10)
	b = appendText(b, "id", row.ID)
	b = append(append(append(b, `,"time":"`...), made...), '"')
	b = appendText(b, "op", row.Op)
	b = appendOptional(b, "statement", row.Statement)
	b = appendText(b, "table", row.Table)
	b = appendText(b, "model", string(row.Model))
	b = appendRaw(b, "key", row.Key)
	b = appendRaw(b, "old_key", row.OldKey)
	b = appendRaw(b, "changes", row.Changes)
	if actor := appendActor(nil, row); len(actor) > 0 {
		b = append(append(append(b, `,"actor":{`...), actor[1:]...), '}')
	}
	b = appendOptional(b, "reason", row.Reason)
	b = appendRaw(b, "meta", row.Meta)
	b = appendText(b, "tx", row.Tx)
	if row.Soft {
		b = append(b, `,"soft":true`...)
	}
	b = appendOptional(b, "trace_id", row.TraceID)
	b = appendOptional(b, "span_id", row.SpanID)
	return append(b, '}')
}

func appendActor(b []byte, row *eventrow.Row) []byte {
	b = appendOptional(b, "id", row.ActorID)
	b = appendOptional(b, "type", row.ActorType)
	b = appendOptional(b, "name", row.ActorName)
	return appendOptional(b, "on_behalf_of", row.OnBehalfOf)
}

func appendOptional(b []byte, name string, text eventrow.Text) []byte {
	if text == "" {
		return b
	}
	return appendText(b, name, string(text))
}

func appendRaw(b []byte, name string, raw eventrow.JSON) []byte {
	if raw == nil {
		return b
	}
	return append(appendName(b, name), raw...)
}

func appendText(b []byte, name, text string) []byte {
	// Invalid only where someone else has written the row.
	return value.AppendString(appendName(b, name), strings.ToValidUTF8(text, "\uFFFD"))
}

func appendName(b []byte, name string) []byte {
	return append(append(append(b, `,"`...), name...), `":`...)
}

// member is a member of a JSON object.
type member struct {
	name  string
	value []byte
}

// membersOf returns the members of a JSON object without white space, in the
// order of their names, whatever order the database keeps them in.
func membersOf(object eventrow.JSON) ([]member, error) {
	if object == nil {
		return nil, nil
	}
	if m, ok := singleMember(object); ok {
		return []member{m}, nil
	}
	var values sink.Values
	if err := json.Unmarshal(object, &values); err != nil {
		return nil, errors.New("it is not a JSON object")
	}
	members := make([]member, 0, len(values))
	for name, value := range values {
		members = append(members, member{name, value})
	}
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return members, nil
}

// singleMember reads an object whose only member is a number or a plain text,
// which is what nearly every key is.
func singleMember(object []byte) (member, bool) {
	const start = `{"`
	if !bytes.HasPrefix(object, []byte(start)) || object[len(object)-1] != '}' {
		return member{}, false
	}
	name, value, found := bytes.Cut(object[len(start):len(object)-1], []byte(`":`))
	if !found || len(value) == 0 || bytes.ContainsAny(name, `"\`) {
		return member{}, false
	}
	inner := value
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		inner = value[1 : len(value)-1]
	}
	if bytes.ContainsAny(inner, `"\{[,:`) {
		return member{}, false
	}
	return member{string(name), value}, true
}
