package kafkasink_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func TestCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	for want, settings := range map[error][]string{
		kafkasink.ErrCompacted:    {"cleanup.policy=compact"},
		kafkasink.ErrMessageBytes: {"max.message.bytes=10000"},
		nil:                       {"min.insync.replicas=1"}, // of one replica
	} {
		s := newService(t, db, kafkasink.Config{Topic: testkafka.Topic(t, 1, settings...)})
		err := kafkasink.NewRelay(db.DB, s.sink, quick()).Check(t.Context())
		require.ErrorIs(t, err, want)
		if want != nil {
			assert.ErrorContains(t, err, "kafkasink: check topic "+s.topic)
		}
	}

	missing := newService(t, db, kafkasink.Config{Topic: "bunaudit-nowhere"})
	assert.ErrorIs(t, kafkasink.NewRelay(db.DB, missing.sink, quick()).Check(t.Context()), kafkasink.ErrNoTopic)

	down := kafkasink.New(configured(t, kafkasink.Config{Topic: "a", Brokers: []string{"127.0.0.1:1"}}))
	assert.ErrorContains(t, kafkasink.NewRelay(db.DB, down, quick()).Check(t.Context()), "no broker of Config.Brokers can be reached")

	empty := testdb.New(t, testdb.SQLite)
	assert.ErrorIs(t, kafkasink.NewRelay(empty.DB, missing.sink, quick()).Check(t.Context()), sqlsink.ErrNoTable)
}

// What can't be published waits, and flows once the cause is mended, without a
// restart.
func TestRelayWaitsForTheTopic(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	name := "bunaudit-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	testkafka.Delete(t, testkafka.Broker(t), name)
	s := newService(t, db, kafkasink.Config{Topic: name})
	s.insert(t, s, "Jane")
	relay := kafkasink.NewRelay(db.DB, s.sink, quick())
	start(t, relay)
	eventually(t, "the relay does not say what is wrong", func() bool { return len(relay.Stats().Stopped) == 1 })
	stopped := relay.Stats().Stopped[0]
	require.ErrorIs(t, stopped.Error, kafkasink.ErrNoTopic)
	assert.Equal(t, name, stopped.Topic)
	assert.Equal(t, -1, stopped.Partition)
	assert.Equal(t, 1, s.pending(t))

	testkafka.Create(t, testkafka.Broker(t), name, 2)
	t.Cleanup(func() { testkafka.Delete(t, testkafka.Broker(t), name) })
	s.drain(t)
	assert.Len(t, s.published(t), 1)
	assert.Empty(t, relay.Stats().Stopped)
}

// A topic that is deleted and made again under a running relay takes what is
// written while it isn't there and afterwards. What was in it is gone with it.
func TestRelayGoesOnInARecreatedTopic(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{Topic: testkafka.Topic(t, 3)})
	relay := kafkasink.NewRelay(db.DB, s.sink, quick())
	start(t, relay)
	s.insert(t, s, "before")
	s.drain(t)
	testkafka.Delete(t, testkafka.Broker(t), s.topic)
	eventually(t, "the relay does not stop", func() bool { // a broker takes what it is going to delete for a moment
		s.insert(t, s, "meanwhile")
		return len(relay.Stats().Stopped) > 0
	})
	want := map[string]bool{}
	for range 10 {
		want[fmt.Sprint(s.insert(t, s, "then").ID)] = true
	}
	testkafka.Create(t, testkafka.Broker(t), s.topic, 3)
	want[fmt.Sprint(s.insert(t, s, "after").ID)] = true
	s.drain(t)
	for _, m := range s.published(t) {
		delete(want, string(m.Event.Key["id"]))
		assert.NotEqual(t, `"before"`, string(m.Event.Changes["name"].New))
	}
	assert.Empty(t, want)
}

func TestNothingIsPublishedToACompactedTopic(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{Topic: testkafka.Topic(t, 1, "cleanup.policy=compact")})
	s.insert(t, s, "Jane")
	relay := kafkasink.NewRelay(db.DB, s.sink, quick())
	start(t, relay)
	eventually(t, "the relay does not stop", func() bool { return len(relay.Stats().Stopped) == 1 })
	assert.ErrorIs(t, relay.Stats().Stopped[0].Error, kafkasink.ErrCompacted)
	assert.Equal(t, 1, s.pending(t))
	assert.Empty(t, s.published(t))
}

func TestChangedNumberOfPartitionsIsToBeAccepted(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{Topic: testkafka.Topic(t, 1)})
		relay := kafkasink.NewRelay(db.DB, s.sink, quick())
		stop := start(t, relay)
		write(t, s, db, 1)
		s.drain(t)
		stop()

		broker := testkafka.Broker(t)
		res, err := testkafka.Client(t, broker).CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
			Topics: []kafka.TopicPartitionsConfig{{Name: s.topic, Count: 3}},
		})
		require.NoError(t, err)
		require.NoError(t, res.Errors[s.topic])
		eventually(t, "the topic has one partition still", func() bool {
			meta, err := testkafka.Client(t, broker).Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{s.topic}})
			return err == nil && len(meta.Topics[0].Partitions) == 3
		})

		again := kafkasink.NewRelay(db.DB, s.sink, quick()) // as after a restart
		require.ErrorIs(t, again.Check(t.Context()), kafkasink.ErrPartitions)
		start(t, again)
		write(t, s, db, 2)
		eventually(t, "the relay does not stop", func() bool { return len(again.Stats().Stopped) == 1 })
		require.ErrorIs(t, again.Stats().Stopped[0].Error, kafkasink.ErrPartitions)
		assert.Len(t, s.published(t), 1)

		require.NoError(t, again.AcceptPartitions(t.Context(), s.topic))
		s.drain(t)
		assert.Len(t, s.published(t), 2)
		assert.NoError(t, again.Check(t.Context()))
	})
}

// write puts an event into the outbox without the hook.
func write(t testing.TB, s *service, db *testdb.DB, n int) {
	t.Helper()
	require.NoError(t, tryWrite(t, s, db.DB, n))
}

func tryWrite(t testing.TB, s *service, db *bun.DB, n int) error {
	e := golden()["insert"].Event
	e.ID = uuid(n)
	return db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		return s.sink.Write(ctx, tx, []sink.Event{e})
	})
}
