package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

const topic = "audit"

func cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2), kfake.SeedTopics(3, topic)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

type logged struct{ t testing.TB }

func (l logged) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func config(t testing.TB, brokers ...string) kafkasink.Config {
	return kafkasink.Config{Brokers: brokers, Topic: topic, Timeout: 3 * time.Second, Log: slog.New(slog.NewTextHandler(logged{t}, nil))}
}

// outbox is an outbox with n events for each of ten rows, in turn, and none of a
// transaction that was rolled back.
func outbox(t testing.TB, cfg kafkasink.Config, n int) (*testdb.DB, *kafkasink.Sink) {
	t.Helper()
	db := testdb.New(t, testdb.SQLite)
	s := kafkasink.New(cfg)
	require.NoError(t, s.CreateTable(t.Context(), db))
	var events []sink.Event
	for i := range n {
		for row := range 10 {
			events = append(events, event(10*i+row, row))
		}
	}
	require.NoError(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, events) }))
	undo := errors.New("undo")
	require.ErrorIs(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		return errors.Join(s.Write(ctx, tx, []sink.Event{event(rolledBack, 0)}), undo)
	}), undo)
	return db, s
}

const rolledBack = 1 << 40

// event is the event of a number.
func event(n, row int) sink.Event {
	return sink.Event{
		ID: fmt.Sprintf("019b7cde-2a08-7000-8000-%012x", n+1), Tx: "019b7cde-2a08-7000-8000-000000000000",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n) * time.Microsecond),
		Op:   sink.Update, Table: "customers", Model: "Customer", Key: sink.Values{"id": json.RawMessage(fmt.Sprint(row))},
		Changes: map[string]sink.Change{"n": {Old: json.RawMessage(fmt.Sprint(n)), New: json.RawMessage(fmt.Sprint(n + 1))}},
	}
}

func start(t testing.TB, db *testdb.DB, s *kafkasink.Sink, batch int) *kafkasink.Relay {
	t.Helper()
	r := kafkasink.NewRelay(db.DB, s, kafkasink.RelayConfig{Batch: batch, Poll: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return r
}

func pending(t testing.TB, db *testdb.DB) int {
	t.Helper()
	n, err := db.NewSelect().Table(kafkasink.DefaultTable).Count(t.Context())
	require.NoError(t, err)
	return int(n)
}

func eventually(t testing.TB, otherwise string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise + " after 20s")
		}
	}
}

// published reads the topic, and checks that it has the first n events of an outbox
// and no others, that duplicates are the same, and the order of the first occurrences.
// It returns how many messages there are.
func published(t testing.TB, broker string, n int) (messages int) {
	t.Helper()
	seen, last := map[string]bool{}, map[string]int64{}
	all := testkafka.Read(t, broker, topic)
	for _, m := range all {
		got, err := kafkasink.Decode(m)
		require.NoError(t, err)
		requireEvent(t, got.Event, n)
		if seen[got.Event.ID] {
			continue
		}
		seen[got.Event.ID] = true
		assert.Greater(t, got.Sequence, last[string(m.Key)], "row %s is out of order", m.Key)
		last[string(m.Key)] = got.Sequence
	}
	assert.Len(t, seen, n)
	return len(all)
}

// requireEvent checks that an event is one of the first n of an outbox.
func requireEvent(t testing.TB, e sink.Event, n int) {
	t.Helper()
	number := int(e.Time.Sub(event(0, 0).Time) / time.Microsecond)
	require.Less(t, number, n)
	require.Equal(t, event(number, number%10), e)
}

// follow mirrors the topic until the test ends. The function that it returns waits for
// n events, and checks that the mirror has each of them once, and each row's in order.
func follow(t testing.TB, cfg kafkasink.Config) (exact func(n int)) {
	t.Helper()
	archive := testdb.New(t, testdb.SQLite)
	history := sqlsink.New()
	require.NoError(t, history.CreateTable(t.Context(), archive))
	m := kafkasink.NewMirror(archive.DB, history, cfg, kafkasink.MirrorConfig{Refresh: 100 * time.Millisecond})
	require.NoError(t, m.CreateTable(t.Context(), archive))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return func(n int) {
		t.Helper()
		var rows []eventrow.Row
		eventually(t, "the events are not mirrored", func() bool {
			rows = nil
			require.NoError(t, archive.NewSelect().Model(&rows).OrderExpr("seq").Scan(t.Context()))
			return len(rows) >= n
		})
		seen, last := map[string]bool{}, map[string]time.Time{}
		for i := range rows {
			e, err := rows[i].ToEvent()
			require.NoError(t, err)
			requireEvent(t, e, n)
			seen[e.ID] = true
			row := string(e.Key["id"])
			assert.True(t, e.Time.After(last[row]), "row %s is out of order", row)
			last[row] = e.Time
		}
		assert.Len(t, rows, n)
		assert.Len(t, seen, n)
		assert.Zero(t, m.Stats().Rejected)
	}
}
