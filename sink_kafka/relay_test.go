package kafkasink_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func TestCommittedEventsReachTheTopicAndNoOthers(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{Source: "/shop"})
		ctx := bunaudit.WithReason(t.Context(), "a test")
		undo := errors.New("undo")
		require.ErrorIs(t, s.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			s.insert(t, tx, "rolled back")
			return undo
		}), undo)
		jane := s.insert(t, s, "Jane")
		require.NoError(t, s.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			jane.Name = "Jane Smith"
			_, err := tx.NewUpdate().Model(jane).WherePK().Exec(ctx)
			return err
		}))
		_, err := s.NewDelete().Model(jane).WherePK().Exec(ctx)
		require.NoError(t, err)
		require.Equal(t, 3, s.pending(t))

		relay := kafkasink.NewRelay(db.DB, s.sink, quick())
		require.NoError(t, relay.Check(t.Context()))
		start(t, relay)
		s.drain(t)
		got := s.published(t)
		require.Len(t, got, 3)
		for i, op := range []sink.Op{sink.Insert, sink.Update, sink.Delete} {
			assert.Equal(t, op, got[i].Event.Op)
			assert.Equal(t, "/shop", got[i].Source)
		}
		assert.Equal(t, "a test", got[1].Event.Reason)
		chained(t, firsts(t, got), "name")

		stats := relay.Stats()
		assert.True(t, stats.Leader)
		assert.EqualValues(t, 3, stats.Published)
		assert.Zero(t, stats.Retries)
		assert.NoError(t, stats.LastError)
		eventually(t, "the relay does not say that nothing is left", func() bool { return relay.Stats().Pending == 0 })
	})
}

// History and stream at once: both have the same events.
func TestTeeWithTheSQLSink(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		topic := testkafka.Topic(t, 2)
		history, stream := sqlsink.New(), kafkasink.New(configured(t, kafkasink.Config{Topic: topic}))
		require.NoError(t, history.CreateTable(t.Context(), db))
		require.NoError(t, stream.CreateTable(t.Context(), db))
		pool := db.Open(t)
		hook := bunaudit.New(bunaudit.Config{Sink: sink.Tee(history, stream)})
		pool.AddQueryHook(hook)
		_, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(t.Context())
		require.NoError(t, err)
		require.NoError(t, hook.Check(t.Context()))
		s := &service{DB: pool, plain: db, sink: stream, topic: topic}
		start(t, kafkasink.NewRelay(db.DB, stream, quick()))
		for range 3 {
			s.insert(t, s, "x")
		}
		s.drain(t)
		var ids []string
		require.NoError(t, db.NewSelect().Table(sqlsink.DefaultTable).Column("id").Scan(t.Context(), &ids))
		var sent []string
		for _, m := range s.published(t) {
			sent = append(sent, m.Event.ID)
		}
		assert.Len(t, ids, 3)
		assert.ElementsMatch(t, ids, sent)
	})
}

// More than fits a page, in pages of every size: the long way through a backlog.
func TestBacklogIsDrained(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{MaxBatchBytes: 5000})
		const n = 1000
		for range n / 100 {
			s.insertMany(t, 100)
		}
		_, err := s.NewUpdate().Model((*Customer)(nil)).Set("name = 'x'").Where("1 = 1").Exec(t.Context())
		require.NoError(t, err)
		cfg := quick()
		cfg.Batch = 64
		start(t, kafkasink.NewRelay(db.DB, s.sink, cfg))
		s.drain(t)
		rows := firsts(t, s.published(t))
		require.Len(t, rows, n)
		for key, events := range rows {
			require.Len(t, events, 2, key)
		}
		chained(t, rows, "name")
	})
}

// Batches of one, many of them in a page.
func TestEventsThatAreLargerThanABatchAreSentAlone(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{Topic: testkafka.Topic(t, 1), MaxBatchBytes: 1})
	s.insertMany(t, 200)
	start(t, kafkasink.NewRelay(db.DB, s.sink, quick()))
	s.drain(t)
	assert.Len(t, s.published(t), 200)
}

func TestRelayRunsOnceAtATime(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{})
	relay := kafkasink.NewRelay(db.DB, s.sink, quick())
	stop := start(t, relay)
	eventually(t, "the relay does not work", func() bool { return relay.Stats().Leader })
	assert.ErrorContains(t, relay.Run(t.Context()), "it is running already")
	stop()
	assert.False(t, relay.Stats().Leader)
	start(t, relay) // and again
	s.insert(t, s, "Jane")
	s.drain(t)
}

// Where the events that couldn't be published are gone, to another relay or by an operator's
// hand, nothing stands still any more, and the relay doesn't look for them all the time.
func TestWhatStoodStillIsGone(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		topicOf := func(*sink.Event) string { return "there-is-none" }
		s := newService(t, db, kafkasink.Config{TopicOf: topicOf})
		relays := db.Open(t)
		var looks atomic.Int64
		relays.AddQueryHook(&countReads{&looks})
		relay := kafkasink.NewRelay(relays, s.sink, quick())
		start(t, relay)
		s.insert(t, s, "x")
		eventually(t, "the relay does not say what is wrong", func() bool { return len(relay.Stats().Stopped) == 1 })
		_, err := db.NewDelete().Table(kafkasink.DefaultTable).Where("1 = 1").Exec(t.Context())
		require.NoError(t, err)
		eventually(t, "it is said to stand still", func() bool { return len(relay.Stats().Stopped) == 0 })
		time.Sleep(2 * quick().MaxBackoff)
		before := looks.Load()
		time.Sleep(10 * quick().Poll)
		assert.LessOrEqual(t, looks.Load()-before, int64(20))
	})
}

// countReads counts how often the outbox is read.
type countReads struct{ n *atomic.Int64 }

func (*countReads) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (c *countReads) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	if isRead(e) {
		c.n.Add(1)
	}
}
