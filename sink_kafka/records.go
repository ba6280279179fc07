package kafkasink

import (
	"bytes"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// records hands the messages of a batch to kafka-go, one after the other in the same
// memory: it is done with each when it asks for the next.
//
// It dates them by when they are sent: brokers delete by the age of a message, and an
// event that waited for long must not be deleted at once.
type records struct {
	messages []*kafka.Message // that are left
	now      time.Time

	record     kafka.Record
	key, value content
}

// content is a [kafka.Bytes].
type content struct{ bytes.Reader }

func (*content) Close() error { return nil }

// ReadRecord implements [kafka.RecordReader].
func (r *records) ReadRecord() (*kafka.Record, error) {
	if len(r.messages) == 0 {
		return nil, io.EOF
	}
	m := r.messages[0]
	r.messages = r.messages[1:]
	r.key.Reset(m.Key)
	r.value.Reset(m.Value)
	r.record = kafka.Record{Time: r.now, Key: &r.key, Value: &r.value, Headers: m.Headers}
	return &r.record, nil
}
