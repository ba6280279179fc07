package kafkasink_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// Eight clients change five rows while a relay with small pages runs.
func TestEachRowsEventsAreInOrder(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		cfg := quick()
		cfg.Batch = 7
		relay := kafkasink.NewRelay(db.DB, s.sink, cfg)
		start(t, relay)
		stop := s.work(t, 8, 5)
		eventually(t, "too little is published", func() bool { return relay.Stats().Published >= 200 })
		want := stop()
		s.drain(t)
		s.expect(t, want)
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

// A transaction that commits while a relay works its way through a backlog, and has its
// place in a part that was read, is not overtaken by a later change of the same row in a
// part that wasn't.
func TestLaterChangeDoesNotOvertakeALateCommit(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		if db.Backend == testdb.SQLite {
			t.Skip("there is one writer at a time")
		}
		s := newService(t, db, kafkasink.Config{})
		change := func(on bun.IDB) {
			_, err := on.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = 1").Exec(t.Context())
			require.NoError(t, err)
		}
		s.insertMany(t, 5)
		late, err := s.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		change(late) // number 6
		s.insertMany(t, 10)
		relays := db.Open(t)
		relays.AddQueryHook(&beforeFirstDelete{call: func() {
			time.Sleep(300 * time.Millisecond) // number 9 is read, which is one page ahead
			assert.NoError(t, late.Commit())
			change(s)
		}})
		cfg := quick()
		cfg.Batch = 4
		start(t, kafkasink.NewRelay(relays, s.sink, cfg))
		eventually(t, "not all is published", func() bool { return s.pending(t) == 0 && len(s.published(t)) >= 17 })
		chained(t, firsts(t, s.published(t)), "score")
	})
}

// beforeFirstDelete calls a function before the first DELETE of events.
type beforeFirstDelete struct {
	once sync.Once
	call func()
}

func (h *beforeFirstDelete) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if isDelete(e) {
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

// A topic that the cluster is slow to tell of is not published to from the middle of a pass
// on, when what comes before was left out.
func TestTopicThatIsKnownLateIsNotPublishedToInTheMiddle(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite) // whose reading a hook sees
	s := newService(t, db, kafkasink.Config{TopicOf: func(*sink.Event) string { return "" }})
	s.insert(t, s, "x")
	for range 20 {
		s.raise(t, "1")
	}
	relays := db.Open(t)
	relays.AddQueryHook(&slowLook{})
	cfg := quick()
	cfg.Batch = 2
	start(t, kafkasink.NewRelay(relays, s.sink, cfg))
	s.drain(t)
	chained(t, firsts(t, s.published(t)), "score")
}

// slowLook slows the first look at a topic down, and the reading of the outbox less.
type slowLook struct{ once sync.Once }

func (h *slowLook) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	switch {
	case strings.Contains(e.Query, kafkasink.DefaultTable+"_topics"):
		h.once.Do(func() { time.Sleep(time.Second) })
	case isRead(e):
		time.Sleep(150 * time.Millisecond)
	}
	return ctx
}

func (*slowLook) AfterQuery(context.Context, *bun.QueryEvent) {}
