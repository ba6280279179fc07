package kafkasink_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// An event that is too large for the topic goes aside, and only that one.
func TestWhatBrokersRefuseIsADeadLetter(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{Topic: testkafka.Topic(t, 1, "max.message.bytes=3000"), Compression: kafkasink.Uncompressed})
		var want []sink.Event
		var large []sink.Event
		var events []sink.Event
		for n := range 20 {
			e := golden()["insert"].Event
			e.ID = uuid(n + 1)
			e.Changes = map[string]sink.Change{"name": {New: json.RawMessage(`"x"`)}}
			if n%7 == 3 {
				e.Changes["name"] = sink.Change{New: json.RawMessage(`"` + strings.Repeat("x", 5000) + `"`)}
				large = append(large, e)
			} else {
				want = append(want, e)
			}
			events = append(events, e)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, s.sink.Write(t.Context(), tx, events))
		require.NoError(t, tx.Commit())

		relay := kafkasink.NewRelay(db.DB, s.sink, quick())
		start(t, relay)
		s.drain(t)
		var got []sink.Event
		for _, m := range s.published(t) {
			got = append(got, m.Event)
		}
		assert.Equal(t, want, got)

		var seqs []int64
		var dead []sink.Event
		for d, err := range relay.DeadLetters(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, s.topic, d.Topic)
			assert.Contains(t, d.Error, "Message Size Too Large")
			assert.False(t, d.FailedAt.IsZero())
			seqs, dead = append(seqs, d.Seq), append(dead, d.Event)
		}
		assert.Equal(t, large, dead)
		assert.EqualValues(t, len(large), relay.Stats().DeadLetters)

		// The operator allows larger ones.
		res, err := testkafka.Client(t, testkafka.Broker(t)).IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: s.topic,
				Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: "100000", ConfigOperation: kafka.ConfigOperationSet}},
			}},
		})
		require.NoError(t, err)
		require.NoError(t, res.Resources[0].Error)
		n, err := relay.Requeue(t.Context(), seqs...)
		require.NoError(t, err)
		assert.Equal(t, len(large), n)
		s.drain(t)
		assert.Len(t, s.published(t), len(events))
		for d, err := range relay.DeadLetters(t.Context()) {
			t.Error("a dead letter is left", d.Seq, err)
		}
		n, err = relay.Requeue(t.Context(), seqs...)
		require.NoError(t, err)
		assert.Zero(t, n, "they are gone")
		n, err = relay.Requeue(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// A row that somebody has tampered with can't be made a message of: it goes
// aside too, and the rest flows on.
func TestRowThatIsNoEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{})
	write(t, s, db, 1)
	write(t, s, db, 2)
	_, err := db.ExecContext(t.Context(), `UPDATE audit_outbox SET "key" = '[1,{"secret":2}]' WHERE seq = 1`)
	require.NoError(t, err)
	relay := kafkasink.NewRelay(db.DB, s.sink, quick())
	start(t, relay)
	s.drain(t)
	assert.Len(t, s.published(t), 1)
	n := 0
	for d, err := range relay.DeadLetters(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, uuid(1), d.Event.ID)
		assert.Contains(t, d.Error, "not a JSON object")
		assert.NotContains(t, d.Error, "secret")
		n++
	}
	assert.Equal(t, 1, n)
}
