package kafkasink_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// A broker hangs up on a request that is larger than it takes, without a word, as if it
// were going down. That one is a dead letter, and the rest flows on: what is too large
// together goes in smaller batches.
func brokerHangsUp(t *testing.T, own servers) {
	const topic, limit = "large", 2 << 20 // the second broker's
	testkafka.CreateAt(t, own.kafka, topic, []int{2}, "max.message.bytes=100000000")
	for name, compressed := range map[string]bool{"random": false, "repeated": true} {
		t.Run(name, func(t *testing.T) {
			before := len(testkafka.Read(t, own.kafka, topic))
			db := testdb.New(t, testdb.SQLite)
			s := newService(t, db, kafkasink.Config{Brokers: []string{own.kafka, own.second}, Topic: topic, MaxBatchBytes: 100 << 20})
			var events []sink.Event
			for n, size := range []int{limit / 2, limit / 2, limit / 2, 10, limit + 100, limit / 2, limit - 10_000} {
				e := golden()["insert"].Event
				e.ID = uuid(n + 1)
				e.Changes = map[string]sink.Change{"name": {New: json.RawMessage(`"` + text(size, compressed) + `"`)}}
				events = append(events, e)
			}
			s.write(t, events)
			relay := kafkasink.NewRelay(db.DB, s.sink, quick())
			start(t, relay)
			s.drain(t)
			var dead []string
			for d, err := range relay.DeadLetters(t.Context()) {
				require.NoError(t, err)
				assert.Contains(t, d.Error, "its socket.request.max.bytes is 2097152, which is to be raised")
				dead = append(dead, d.Event.ID)
			}
			published := len(testkafka.Read(t, own.kafka, topic)) - before
			if compressed {
				assert.Empty(t, dead)
				assert.Equal(t, len(events), published)
			} else {
				assert.Equal(t, []string{uuid(5)}, dead)
				assert.Equal(t, len(events)-1, published)
			}
		})
	}
}

// text returns so many letters, which can be compressed well or badly.
func text(size int, compressed bool) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = 'a'
		if !compressed {
			b[i] += byte(rand.IntN(26))
		}
	}
	return string(b)
}
