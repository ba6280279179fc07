package kafkasink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// newMirror makes a mirror of a topic in db.
func newMirror(t testing.TB, db *testdb.DB, topic string, cfg kafkasink.MirrorConfig) *kafkasink.Mirror {
	t.Helper()
	history := sqlsink.New()
	require.NoError(t, history.CreateTable(t.Context(), db))
	cfg.Refresh = 100 * time.Millisecond
	m := kafkasink.NewMirror(db.DB, history, configured(t, kafkasink.Config{Topic: topic}), cfg)
	require.NoError(t, m.CreateTable(t.Context(), db))
	return m
}

// run runs a mirror until the function that it returns is called, which gives the
// mirror's error.
func run(t testing.TB, m *kafkasink.Mirror) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stopped := false
	stop = func() error {
		cancel()
		stopped = true
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			t.Error("the mirror goes on after its context has ended")
			return nil
		}
	}
	t.Cleanup(func() {
		if !stopped {
			assert.NoError(t, stop())
		}
	})
	return stop
}

// failure waits for a mirror to end by itself.
func failure(t testing.TB, m *kafkasink.Mirror) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := m.Run(ctx)
	require.NoError(t, ctx.Err(), "the mirror does not end")
	return err
}

// mirrored waits until a database has n events, and returns them in order.
func mirrored(t testing.TB, db *testdb.DB, n int) []sink.Event {
	t.Helper()
	count := func() int {
		n, err := db.NewSelect().Table(sqlsink.DefaultTable).Count(t.Context())
		if err != nil {
			return -1 // the database may be down
		}
		return int(n)
	}
	eventually(t, "the events are not mirrored", func() bool { return count() >= n })
	require.Equal(t, n, count())
	return stored(t, db.DB, sqlsink.DefaultTable)
}

// produce writes messages to a partition of a topic by hand.
func produce(t testing.TB, topic string, partition int, messages ...kafka.Message) {
	t.Helper()
	records := make([]kafka.Record, len(messages))
	for i, m := range messages {
		records[i] = kafka.Record{Time: time.Now(), Key: kafka.NewBytes(m.Key), Value: kafka.NewBytes(m.Value), Headers: m.Headers}
	}
	client := testkafka.Client(t, testkafka.Broker(t))
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	require.NoError(t, err)
	require.NoError(t, res.Error)
}

// message is one with the event of a number.
func message(t testing.TB, n int) kafka.Message {
	t.Helper()
	m := golden()["insert"]
	m.Event.ID, m.Event.Key = uuid(n), sink.Values{"id": json.RawMessage(fmt.Sprint(n))}
	out, err := kafkasink.Encode(m)
	require.NoError(t, err)
	return out
}

func messages(t testing.TB, from, to int) []kafka.Message {
	t.Helper()
	var out []kafka.Message
	for n := from; n <= to; n++ {
		out = append(out, message(t, n))
	}
	return out
}

// The whole way: what was recorded in one database is answered from another.
func TestHistoryIsAnsweredFromTheMirror(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		topic := testkafka.Topic(t, 3)
		history, stream := sqlsink.New(), kafkasink.New(configured(t, kafkasink.Config{Topic: topic, Source: "/shop"}))
		require.NoError(t, history.CreateTable(t.Context(), db))
		require.NoError(t, stream.CreateTable(t.Context(), db))
		pool := db.Open(t)
		pool.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: sink.Tee(history, stream)}))
		_, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(t.Context())
		require.NoError(t, err)
		s := &service{DB: pool, plain: db, sink: stream, topic: topic}
		start(t, kafkasink.NewRelay(db.DB, stream, quick()))
		other := testdb.New(t, db.Backend)
		run(t, newMirror(t, other, topic, kafkasink.MirrorConfig{}))

		for i := range 20 {
			c := s.insert(t, s, fmt.Sprint("customer ", i))
			for n := range 3 {
				c.Score = n + 1
				_, err := s.NewUpdate().Model(c).WherePK().Exec(bunaudit.WithActor(t.Context(), sink.Actor{ID: "1"}))
				require.NoError(t, err)
			}
		}
		want, got := stored(t, db.DB, sqlsink.DefaultTable), mirrored(t, other, 80)
		byRow := func(a, b sink.Event) int { // each row's in their order
			if c := strings.Compare(string(a.Key["id"]), string(b.Key["id"])); c != 0 {
				return c
			}
			return 0
		}
		slices.SortStableFunc(want, byRow)
		slices.SortStableFunc(got, byRow)
		assert.Equal(t, want, got)

		var scores []string
		for change, err := range retrieval.For[Customer](other.DB).Key(7).Field("score").Changes(t.Context()) {
			require.NoError(t, err)
			scores = append(scores, fmt.Sprint(change.Old, " ", change.New, " ", change.Actor.ID))
		}
		assert.Len(t, scores, 4)
		assert.Equal(t, "2 3 1", scores[3])
	})
}

func TestDuplicatesAreStoredOnceInTheOrderOfTheFirst(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		topic := testkafka.Topic(t, 1)
		all := messages(t, 1, 6)
		produce(t, topic, 0, all[:3]...)
		produce(t, topic, 0, append(all[1:3:3], all[:5]...)...)
		produce(t, topic, 0, all[5], all[0], all[5])
		m := newMirror(t, db, topic, kafkasink.MirrorConfig{})
		run(t, m)
		for i, e := range mirrored(t, db, 6) {
			assert.Equal(t, uuid(i+1), e.ID)
		}
		eventually(t, "the duplicates are not counted", func() bool { return m.Stats().Duplicates == 7 })
		assert.EqualValues(t, 6, m.Stats().Stored)
		assert.Zero(t, m.Stats().Lag[kafkasink.Partition{Topic: topic}])
	})
}

// Stopped at random moments, two at a time, it loses nothing and doubles nothing.
func TestMirrorResumesAnywhere(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		topic := testkafka.Topic(t, 2)
		const rounds, each = 8, 5
		n := 0
		for range rounds {
			stop, stopOther := run(t, newMirror(t, db, topic, kafkasink.MirrorConfig{})), run(t, newMirror(t, db, topic, kafkasink.MirrorConfig{}))
			for range 2 + rand.IntN(10) {
				produce(t, topic, n%2, messages(t, n+1, n+each)...)
				n += each
			}
			require.NoError(t, stop())
			require.NoError(t, stopOther())
		}
		run(t, newMirror(t, db, topic, kafkasink.MirrorConfig{}))
		ids := map[string]bool{}
		for _, e := range mirrored(t, db, n) {
			ids[e.ID] = true
		}
		assert.Len(t, ids, n)
	})
}

func TestMirrorOfSeveralTopicsEditsEvents(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	first, second := testkafka.Topic(t, 1), testkafka.Topic(t, 1)
	produce(t, first, 0, message(t, 1))
	produce(t, second, 0, message(t, 2))
	run(t, newMirror(t, db, first, kafkasink.MirrorConfig{Topics: []string{second, first}, Edit: func(m *kafkasink.Message) {
		m.Event.Meta = map[string]string{"source": m.Source}
	}}))
	for _, e := range mirrored(t, db, 2) {
		assert.Equal(t, map[string]string{"source": "/shop"}, e.Meta)
	}
}

func TestMirrorThatCantWorkIsRefused(t *testing.T) {
	t.Parallel()
	db, cfg := new(bun.DB), kafkasink.Config{Brokers: []string{"a:1"}, Topic: "t"}
	assert.Panics(t, func() { kafkasink.NewMirror(db, sqlsink.New(), kafkasink.Config{}, kafkasink.MirrorConfig{}) })
	assert.Panics(t, func() {
		kafkasink.NewMirror(db, sqlsink.New(), cfg, kafkasink.MirrorConfig{Table: strings.Repeat("x", 60)})
	})
	assert.Panics(t, func() { kafkasink.NewMirror(db, sqlsink.New(), cfg, kafkasink.MirrorConfig{Topics: []string{"a b"}}) })
	assert.Panics(t, func() {
		kafkasink.NewMirror(db, sqlsink.New(sqlsink.WithDB(new(bun.DB))), cfg, kafkasink.MirrorConfig{})
	})
}
