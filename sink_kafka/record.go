package kafkasink

import (
	"encoding/binary"
	"math/bits"

	"github.com/segmentio/kafka-go"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// record is a message as a batch holds it, from its key on: the key, the value and the
// headers, each with its length before it.
type record []byte

// size bounds the bytes that it takes in a batch, before compression.
func (r record) size() int {
	const start = 16 // what comes before it
	return start + len(r)
}

// fitting returns the first of the records that fit into a batch of so many bytes:
// one at least.
func fitting(records []record, bytes int) []record {
	n := 0
	for size := 0; n < len(records); n++ {
		if size += records[n].size(); n > 0 && size > bytes {
			break
		}
	}
	return records[:n]
}

// key returns the key of the message.
func (r record) key() []byte {
	n, from := binary.Varint(r)
	return r[from : from+int(n)]
}

// appendTo appends the record to those of a batch, which has so many before it.
func (r record) appendTo(b []byte, index int) []byte {
	b = binary.AppendVarint(b, int64(1+1+varintSize(index)+len(r)))
	b = append(b, 0, 0) // attributes, and the time since that of the batch
	return append(binary.AppendVarint(b, int64(index)), r...)
}

// recorder makes records, many of which share a piece of memory: it is there until
// none of them is used any more.
type recorder struct {
	encoder
	ahead int // records to take memory for at once
	free  []byte
}

const maxAhead = 64 << 10 // bytes of memory, unless one record is larger

func newRecorder(source string, ahead int) *recorder {
	return &recorder{encoder: newEncoder(source), ahead: ahead}
}

// record makes the record of a row.
func (r *recorder) record(row *eventrow.Row) (record, error) {
	m, err := r.encode(row)
	if err != nil {
		return nil, err
	}
	size := bytesSize(len(m.Key)) + bytesSize(len(m.Value)) + varintSize(len(m.Headers))
	for i := range m.Headers {
		size += bytesSize(len(m.Headers[i].Key)) + bytesSize(len(m.Headers[i].Value))
	}
	if cap(r.free) < size {
		r.free = make([]byte, 0, max(size, min(r.ahead*size, maxAhead)))
	}
	b := appendMessage(r.free, &m)
	r.free = b[len(b):]
	return b[:len(b):len(b)], nil
}

func appendMessage(b []byte, m *kafka.Message) []byte {
	b = append(binary.AppendVarint(b, int64(len(m.Key))), m.Key...)
	b = append(binary.AppendVarint(b, int64(len(m.Value))), m.Value...)
	b = binary.AppendVarint(b, int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
		b = append(binary.AppendVarint(b, int64(len(h.Value))), h.Value...)
	}
	return b
}

// bytesSize is how many bytes n bytes take with their length.
func bytesSize(n int) int { return varintSize(n) + n }

// varintSize is how many bytes [binary.AppendVarint] makes of n, which isn't negative.
func varintSize(n int) int { return (bits.Len(uint(n)<<1|1) + 6) / 7 }
