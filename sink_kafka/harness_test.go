package kafkasink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

type Customer struct {
	bun.BaseModel `bun:"table:customers,audit"`

	ID    int64 `bun:",pk,autoincrement"`
	Name  string
	Score int
}

// service is a program whose changes go to a topic.
type service struct {
	*bun.DB
	plain *testdb.DB // without the hook
	sink  *kafkasink.Sink
	topic string
}

// newService makes a topic, unless cfg has one, the outbox and the table of
// customers.
func newService(t testing.TB, db *testdb.DB, cfg kafkasink.Config) *service {
	t.Helper()
	if cfg.Topic == "" {
		cfg.Topic = testkafka.Topic(t, 3)
	}
	s := kafkasink.New(configured(t, cfg))
	if cfg.Delivery == kafkasink.Outbox {
		require.NoError(t, s.CreateTable(t.Context(), db))
	}
	pool := db.Open(t)
	pool.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: s}))
	_, err := db.NewCreateTable().Model((*Customer)(nil)).IfNotExists().Exec(t.Context())
	require.NoError(t, err)
	return &service{DB: pool, plain: db, sink: s, topic: cfg.Topic}
}

// configured fills in what a test doesn't care for.
func configured(t testing.TB, cfg kafkasink.Config) kafkasink.Config {
	t.Helper()
	if cfg.Brokers == nil {
		cfg.Brokers = []string{testkafka.Broker(t)}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(logged{t}, nil))
	}
	return cfg
}

// logged writes to the log of the test.
type logged struct{ t testing.TB }

func (l logged) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// insert adds a customer through the hook.
func (s *service) insert(t testing.TB, on bun.IDB, name string) *Customer {
	t.Helper()
	c := &Customer{Name: name}
	_, err := on.NewInsert().Model(c).Exec(t.Context())
	require.NoError(t, err)
	return c
}

// write stores events in the outbox.
func (s *service) write(t testing.TB, events []sink.Event) {
	t.Helper()
	tx, err := s.plain.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.sink.Write(t.Context(), tx, events))
	require.NoError(t, tx.Commit())
}

// insertMany adds n customers by one statement.
func (s *service) insertMany(t testing.TB, n int) int {
	t.Helper()
	many := make([]Customer, n)
	_, err := s.NewInsert().Model(&many).Exec(t.Context())
	require.NoError(t, err)
	return n
}

// pending is how many events are in the outbox.
func (s *service) pending(t testing.TB) int {
	t.Helper()
	n, err := s.plain.NewSelect().Table(kafkasink.DefaultTable).Count(t.Context())
	require.NoError(t, err)
	return int(n)
}

// quick is a relay's configuration for tests.
func quick() kafkasink.RelayConfig {
	return kafkasink.RelayConfig{Poll: 50 * time.Millisecond, LeaseTTL: 600 * time.Millisecond, MaxBackoff: 200 * time.Millisecond}
}

// start runs a relay until the test ends or stop is called.
func start(t testing.TB, r *kafkasink.Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				assert.NoError(t, err)
			case <-time.After(20 * time.Second):
				t.Error("the relay goes on after its context has ended")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// drain waits until the outbox is empty.
func (s *service) drain(t testing.TB) {
	t.Helper()
	eventually(t, "the outbox is not empty", func() bool {
		n, err := s.plain.NewSelect().Table(kafkasink.DefaultTable).Count(t.Context()) // which may be down
		return err == nil && n == 0
	})
}

func eventually(t testing.TB, otherwise string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise + " after 30s")
		}
	}
}

// published returns the messages of the topic.
func (s *service) published(t testing.TB) []kafkasink.Message {
	t.Helper()
	return decoded(t, testkafka.Read(t, testkafka.Broker(t), s.topic))
}

func decoded(t testing.TB, messages []kafka.Message) []kafkasink.Message {
	t.Helper()
	out := make([]kafkasink.Message, len(messages))
	for i, m := range messages {
		var err error
		out[i], err = kafkasink.Decode(m)
		require.NoError(t, err)
	}
	return out
}

// firsts leaves the first occurrence of each event, by row, and checks that each
// row's are in the order of the outbox.
func firsts(t testing.TB, messages []kafkasink.Message) map[string][]sink.Event {
	t.Helper()
	seen, last := map[string]sink.Event{}, map[string]int64{}
	rows := map[string][]sink.Event{}
	for _, m := range messages {
		if was, ok := seen[m.Event.ID]; ok {
			assert.Equal(t, was, m.Event, "a duplicate is the same")
			continue
		}
		seen[m.Event.ID] = m.Event
		key := fmt.Sprint(m.Event.Table, string(m.Event.Key["id"]))
		assert.Greater(t, m.Sequence, last[key], "row %s is out of order", key)
		last[key] = m.Sequence
		rows[key] = append(rows[key], m.Event)
	}
	return rows
}

// chained checks that each old value is the new one before.
func chained(t testing.TB, rows map[string][]sink.Event, column string) {
	t.Helper()
	for key, events := range rows {
		var at json.RawMessage
		for _, e := range events {
			c, ok := e.Changes[column]
			if !ok {
				continue
			}
			require.Equal(t, string(at), string(c.Old), "row %s, event %s", key, e.ID)
			at = c.New
		}
	}
}

// work has clients change rows until the function that it returns is called,
// which returns how many changes were committed.
func (s *service) work(t testing.TB, clients, rows int) (stop func() int) {
	t.Helper()
	for range rows {
		s.insert(t, s, "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	total := rows
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				undo := errors.New("undo")
				err := s.RunInTx(context.WithoutCancel(ctx), nil, func(ctx context.Context, tx bun.Tx) error {
					_, err := tx.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = ?", 1+rand.IntN(rows)).Exec(ctx)
					if err == nil && rand.IntN(5) == 0 {
						return undo
					}
					return err
				})
				if err == nil {
					mu.Lock()
					total++
					mu.Unlock()
				}
				time.Sleep(rand.N(10 * time.Millisecond))
			}
		})
	}
	return func() int {
		cancel()
		all.Wait()
		return total
	}
}

// expect checks that the topic has so many different events, in order, of each
// row a chain, and that a mirror has each of them once.
func (s *service) expect(t testing.TB, want int) {
	t.Helper()
	rows := firsts(t, s.published(t))
	got := 0
	for _, events := range rows {
		got += len(events)
	}
	assert.Equal(t, want, got)
	chained(t, rows, "score")
	run(t, newMirror(t, s.plain, s.topic, kafkasink.MirrorConfig{}))
	stored := map[string][]sink.Event{}
	for _, e := range mirrored(t, s.plain, want) {
		key := fmt.Sprint(e.Table, string(e.Key["id"]))
		stored[key] = append(stored[key], e)
	}
	assert.Equal(t, rows, stored)
}
