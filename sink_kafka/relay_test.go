package kafkasink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/pgdriver"

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

// Eight clients change five rows while a relay with small pages runs.
func TestEachRowsEventsAreInOrder(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		const clients, changes, rows = 8, 30, 5
		for range rows {
			s.insert(t, s, "x")
		}
		cfg := quick()
		cfg.Batch = 7
		start(t, kafkasink.NewRelay(db.DB, s.sink, cfg))
		var all sync.WaitGroup
		for c := range clients {
			all.Go(func() {
				for i := range changes {
					_, err := s.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = ?", 1+(c+i)%rows).Exec(t.Context())
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		s.drain(t)
		got := firsts(t, s.published(t))
		require.Len(t, got, rows)
		n := 0
		for _, events := range got {
			n += len(events)
		}
		assert.Equal(t, rows+clients*changes, n)
		chained(t, got, "score")
	})
}

// A transaction that took its number first and commits last is not passed by.
func TestLateCommitIsNotLost(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		if db.Backend == testdb.SQLite {
			t.Skip("there is one writer at a time")
		}
		s := newService(t, db, kafkasink.Config{})
		s.insert(t, s, "early")
		late, err := s.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		s.insert(t, late, "late")
		s.insert(t, s, "early")
		start(t, kafkasink.NewRelay(db.DB, s.sink, quick()))
		s.drain(t) // nobody waits for the transaction
		require.Len(t, s.published(t), 2)
		require.NoError(t, late.Commit())
		eventually(t, "the late event is not there", func() bool { return len(s.published(t)) == 3 })
		s.drain(t)
	})
}

// beforeFirstDelete calls a function before the first DELETE.
type beforeFirstDelete struct {
	once sync.Once
	call func()
}

func (h *beforeFirstDelete) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if strings.HasPrefix(e.Query, "DELETE") {
		h.once.Do(h.call)
	}
	return ctx
}

func (*beforeFirstDelete) AfterQuery(context.Context, *bun.QueryEvent) {}

// Nothing but what was published is deleted: not the event of a transaction that
// commits in the middle of a page after that was read, nor one that can't be sent.
func TestWhatWasNotPublishedIsNotDeleted(t *testing.T) {
	t.Parallel()
	const stays = "stays"
	topicOf := func(e *sink.Event) string {
		if string(e.Changes["name"].New) == `"`+stays+`"` {
			return "there-is-none"
		}
		return ""
	}
	for name, every := range map[string]int{"few": 50, "many": 2} { // of the events can't be sent
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				s := newService(t, db, kafkasink.Config{TopicOf: topicOf})
				write := func(on bun.IDB) {
					all := make([]Customer, 150)
					for i := range all {
						if i%every == 0 {
							all[i].Name = stays
						}
					}
					_, err := on.NewInsert().Model(&all).Exec(t.Context())
					require.NoError(t, err)
				}
				write(s)
				left := 2 * 150 / every
				relaysDB := db.Open(t)
				if db.Backend != testdb.SQLite { // where there is one writer at a time
					late, err := s.BeginTx(t.Context(), nil)
					require.NoError(t, err)
					s.insert(t, late, stays)
					left++
					relaysDB.AddQueryHook(&beforeFirstDelete{call: func() { assert.NoError(t, late.Commit()) }})
				}
				write(s)
				start(t, kafkasink.NewRelay(relaysDB, s.sink, quick()))
				eventually(t, "what was published is not deleted", func() bool { return s.pending(t) <= left })
				assert.Equal(t, left, s.pending(t))
				assert.Len(t, s.published(t), 2*(150-150/every))
			})
		})
	}
}

func TestRelayOfTheSameProcessHearsOfCommits(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		cfg := quick()
		cfg.Poll = time.Hour
		relay := kafkasink.NewRelay(db.DB, s.sink, cfg)
		start(t, relay)
		for n := range 3 {
			require.NoError(t, s.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
				s.insert(t, tx, "a")
				return nil
			}))
			s.insert(t, s, "b")
			eventually(t, "the relay sleeps", func() bool { return relay.Stats().Published == int64(2*n+2) })
		}
	})
}

// hearing returns what wakes a relay at each NOTIFY, as docs/kafka.md shows it.
func hearing(t testing.TB, db *bun.DB) <-chan struct{} {
	t.Helper()
	listener := pgdriver.NewListener(db)
	require.NoError(t, listener.Listen(t.Context(), kafkasink.DefaultTable))
	wake := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if _, _, err := listener.ReceiveTimeout(ctx, 100*time.Millisecond); err == nil {
				select {
				case wake <- struct{}{}:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = listener.Close()
	})
	return wake
}

// A relay in another process hears of each commit, and of a burst of them as well.
func TestRelayOfAnotherProcessHearsOfCommits(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.Postgres)
	s := newService(t, db, kafkasink.Config{Notify: db.Open(t)})
	cfg := quick()
	cfg.Poll = time.Hour
	relays := db.Open(t)
	cfg.Wake = hearing(t, relays)
	relay := kafkasink.NewRelay(relays, kafkasink.New(configured(t, kafkasink.Config{Topic: s.topic})), cfg) // which Committed doesn't reach
	start(t, relay)
	n := int64(0)
	for _, burst := range []int{1, 1, 50} {
		for range burst {
			s.insert(t, s, "x")
		}
		n += int64(burst)
		eventually(t, "the relay sleeps", func() bool { return relay.Stats().Published == n })
	}
}

// A closed channel is no reason to look again and again.
func TestClosedWakeIsNothing(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{})
	cfg := quick()
	wake := make(chan struct{})
	close(wake)
	cfg.Wake = wake
	start(t, kafkasink.NewRelay(db.DB, s.sink, cfg))
	s.insert(t, s, "x")
	s.drain(t)
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
			many := make([]Customer, 100)
			_, err := s.NewInsert().Model(&many).Exec(t.Context())
			require.NoError(t, err)
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
	many := make([]Customer, 200)
	_, err := s.NewInsert().Model(&many).Exec(t.Context())
	require.NoError(t, err)
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

func TestDirectDeliveryPublishesBeforeTheCommit(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{Delivery: kafkasink.Direct})
		s.insert(t, s, "Jane")
		undo := errors.New("undo")
		require.ErrorIs(t, s.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
			s.insert(t, tx, "John")
			return undo
		}), undo)
		got := s.published(t)
		assert.Len(t, got, 2, "also that of the change that was rolled back")
		for _, m := range got {
			assert.Zero(t, m.Sequence)
		}
	})
}

func TestDirectDeliveryFailsTheChange(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{Delivery: kafkasink.Direct, Topic: "nowhere", Brokers: []string{"127.0.0.1:1"}, Timeout: time.Second})
	_, err := s.NewInsert().Model(&Customer{Name: "Jane"}).Exec(t.Context())
	var notRecorded *bunaudit.NotRecordedError
	require.ErrorAs(t, err, &notRecorded)
	assert.ErrorContains(t, err, "no broker of Config.Brokers can be reached")
	n, err := db.NewSelect().Model((*Customer)(nil)).Count(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
}

func TestConfigThatCantWorkIsRefused(t *testing.T) {
	t.Parallel()
	good := kafkasink.Config{Brokers: []string{"a:1"}, Topic: "t"}
	for want, edit := range map[string]func(c *kafkasink.Config){
		"Config.Brokers is empty":    func(c *kafkasink.Config) { c.Brokers = nil },
		"Config.Topic is empty":      func(c *kafkasink.Config) { c.Topic = "" },
		`Config.Topic is "a/b"`:      func(c *kafkasink.Config) { c.Topic = "a/b" },
		"neither Outbox nor Direct":  func(c *kafkasink.Config) { c.Delivery = 7 },
		"Direct, which has no table": func(c *kafkasink.Config) { c.Delivery, c.Table = kafkasink.Direct, "a" },
		"none of package kafka's":    func(c *kafkasink.Config) { c.Compression = 9 },
		"Config.MaxBatchBytes":       func(c *kafkasink.Config) { c.MaxBatchBytes = -1 },
		"Config.Timeout":             func(c *kafkasink.Config) { c.Timeout = -1 },
		"which alone has NOTIFY":     func(c *kafkasink.Config) { c.Notify = bun.NewDB(nil, sqlitedialect.New()) },
		"no relay to notify": func(c *kafkasink.Config) {
			c.Delivery, c.Notify = kafkasink.Direct, bun.NewDB(nil, pgdialect.New())
		},
		"Config.Table or Config.Schema:": func(c *kafkasink.Config) { c.Table = fmt.Sprintf("%060d", 1) },
	} {
		c := good
		edit(&c)
		assert.ErrorContains(t, c.Validate(), want)
		assert.Panics(t, func() { kafkasink.New(c) })
	}
	require.NoError(t, good.Validate())

	s := kafkasink.New(good)
	for want, c := range map[string]kafkasink.RelayConfig{
		"Batch":             {Batch: -1},
		"negative duration": {Poll: -1},
		"LeaseTTL is below": {LeaseTTL: 1},
	} {
		assert.ErrorContains(t, c.Validate(), want)
		assert.Panics(t, func() { kafkasink.NewRelay(nil, s, c) })
	}
	good.Delivery = kafkasink.Direct
	assert.Panics(t, func() { kafkasink.NewRelay(nil, kafkasink.New(good), kafkasink.RelayConfig{}) })
}
