package kafkasink_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

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
		s.write(t, events)

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
			assert.Contains(t, d.Error, "raise its max.message.bytes, or message.max.bytes of the brokers")
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
		gone := seqs
		eventually(t, "the larger ones don't get through", func() bool { // the broker takes a moment to see it
			n, err := relay.Requeue(t.Context(), seqs...)
			require.NoError(t, err)
			assert.Len(t, seqs, n)
			s.drain(t)
			seqs = nil
			for d, err := range relay.DeadLetters(t.Context()) {
				require.NoError(t, err)
				seqs = append(seqs, d.Seq)
			}
			return len(seqs) == 0
		})
		assert.Len(t, s.published(t), len(events))
		n, err := relay.Requeue(t.Context(), gone...)
		require.NoError(t, err)
		assert.Zero(t, n, "they are gone")
		n, err = relay.Requeue(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// damages are what may be written into the outbox without any objection of the
// database, and is no event.
func damages(backend string) map[string]string {
	damages := map[string]string{"the key is no object": `"key" = '[1,{"secret":2}]'`}
	if backend == testdb.Postgres {
		damages["the time is infinite"] = `"time" = 'infinity'`
		damages["the time is too late"] = `"time" = '12026-01-01'`
		damages["the time is before Christ"] = `"time" = '0044-03-15 BC'`
		return damages
	}
	damages["the changes are no JSON"] = `"changes" = '{"secret'`
	damages["the changes are empty"] = `"changes" = ''`
	damages["the meta is no JSON"] = `"meta" = 'secret'`
	damages["the old key is no JSON"] = `"old_key" = '1 secret'`
	damages["the time is no time"] = `"time" = 'secret'`
	if backend == testdb.SQLite {
		damages["the flag is none"] = `"soft" = 'secret'`
		damages["the key is binary"] = `"key" = x'fffe'`
	}
	return damages
}

// A row that somebody has damaged can't be made a message of: it goes aside as it is,
// and the rest flows on, whether it is read in one page or in many.
func TestRowThatIsNoEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	for name, batch := range map[string]int{"one page": 0, "many pages": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testdb.Run(t, func(t *testing.T, db *testdb.DB) { rowsThatAreNoEvents(t, db, batch) })
		})
	}
}

func rowsThatAreNoEvents(t *testing.T, db *testdb.DB, batch int) {
	s := newService(t, db, kafkasink.Config{})
	why := map[string]string{} // by the id of the event
	good := 0
	writeGood := func() {
		good++
		write(t, s, db, 1000+good)
	}
	for name, damage := range damages(db.Backend) {
		n := len(why) + 1
		write(t, s, db, n)
		if db.Backend == testdb.MariaDB {
			damage = strings.ReplaceAll(damage, `"`, "`")
		}
		_, err := db.NewRaw("UPDATE audit_outbox SET ? WHERE id = ?", bun.Safe(damage), uuid(n)).Exec(t.Context())
		require.NoError(t, err, name)
		why[uuid(n)] = name
		writeGood()
	}
	cfg := quick()
	cfg.Batch = batch
	relay := kafkasink.NewRelay(db.DB, s.sink, cfg)
	start(t, relay)
	s.drain(t)
	assert.Len(t, s.published(t), good)

	dead := func() (seqs []int64) {
		for d, err := range relay.DeadLetters(t.Context()) {
			require.NoError(t, err)
			name := why[d.Event.ID]
			assert.NotEmpty(t, name, "of event %s", d.Event.ID)
			assert.Contains(t, d.Error, "kafkasink: ", name)
			assert.NotContains(t, d.Error, "secret", name)
			assert.Equal(t, s.topic, d.Topic, name)
			assert.WithinDuration(t, time.Now(), d.FailedAt, time.Minute, name)
			seqs = append(seqs, d.Seq)
		}
		assert.Len(t, seqs, len(why))
		return seqs
	}
	seqs := dead()
	n, err := relay.Requeue(t.Context(), seqs...)
	require.NoError(t, err)
	assert.Equal(t, len(why), n)
	s.drain(t)
	again := dead() // as damaged as they were
	assert.Greater(t, again[0], seqs[len(seqs)-1])

	// Somebody repairs one of them.
	_, err = db.NewRaw("UPDATE audit_outbox_dead SET ?0 = '{\"id\":1}', ?1 = '{}', ?2 = NULL, ?3 = NULL, soft = ?4, "+
		"?5 = '2026-01-01T00:00:00.000000Z' WHERE seq = ?6",
		bun.Ident("key"), bun.Ident("changes"), bun.Ident("meta"), bun.Ident("old_key"), false, bun.Ident("time"), again[0]).Exec(t.Context())
	require.NoError(t, err)
	n, err = relay.Requeue(t.Context(), again[0])
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	s.drain(t)
	assert.Len(t, s.published(t), good+1)
}
