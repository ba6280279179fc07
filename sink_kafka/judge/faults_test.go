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

	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
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
		ID: fmt.Sprintf("019b7cde-2a08-7000-8000-%012x", n+1), Tx: "019b7cde-2a08-7000-8000-000000000000", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n) * time.Microsecond),
		Op: sink.Update, Table: "customers", Model: "Customer", Key: sink.Values{"id": json.RawMessage(fmt.Sprint(row))},
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

// What a broker answers, and in some cases has written all the same.
func TestRelayGetsThroughTheAnswersOfBrokers(t *testing.T) {
	t.Parallel()
	for _, failure := range []*kerr.Error{
		kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.NotEnoughReplicas, kerr.NotLeaderForPartition,
		kerr.LeaderNotAvailable, kerr.KafkaStorageError, kerr.UnknownServerError, kerr.TopicAuthorizationFailed, kerr.CorruptMessage,
	} {
		t.Run(failure.Message, func(t *testing.T) {
			t.Parallel()
			c := cluster(t)
			cfg := config(t, c.ListenAddrs()...)
			db, s := outbox(t, cfg, 20)
			exact := follow(t, cfg)
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: failure, Count: 7})
			r := start(t, db, s, 15)
			eventually(t, "the outbox is not empty", func() bool { return pending(t, db) == 0 })
			messages := published(t, c.ListenAddrs()[0], 200)
			if failure == kerr.RequestTimedOut || failure == kerr.NotEnoughReplicasAfterAppend {
				assert.Greater(t, messages, 200, "it was written, and is written again")
			} else {
				assert.Equal(t, 200, messages)
			}
			exact(200)
			assert.Positive(t, r.Stats().Retries)
			assert.Zero(t, r.Stats().DeadLetters)
		})
	}
}

// One partition that can't be written to does not keep the others.
func TestOtherPartitionsFlowOnWhenOneStops(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	db, s := outbox(t, config(t, c.ListenAddrs()...), 30)
	all := partitionsOf(t, db)
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{1}, Err: kerr.NotEnoughReplicas, Count: -1})
	r := start(t, db, s, 5) // far less than what is held
	eventually(t, "the others do not flow", func() bool { return pending(t, db) == all[1] })
	stopped := r.Stats().Stopped
	require.Len(t, stopped, 1)
	assert.Equal(t, 1, stopped[0].Partition)
	time.Sleep(200 * time.Millisecond)
	assert.Equal(t, all[1], pending(t, db))
	fault.Remove()
	eventually(t, "the partition stays stopped", func() bool { return pending(t, db) == 0 })
	assert.Equal(t, 300, published(t, c.ListenAddrs()[0], 300))
}

// partitionsOf counts the events of the outbox by the partition of their keys.
func partitionsOf(t testing.TB, db *testdb.DB) (counts [3]int) {
	t.Helper()
	var keys []string
	require.NoError(t, db.NewSelect().Table(kafkasink.DefaultTable).Column("key").Scan(t.Context(), &keys))
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic(topic) // Java's
	for _, key := range keys {
		row := strings.TrimSuffix(strings.TrimPrefix(key, `{"id":`), "}")
		counts[partitioner.Partition(&kgo.Record{Key: []byte("customers|" + row)}, 3)]++
	}
	require.NotZero(t, counts[1])
	return counts
}

func TestLeadersMoveWhileTheRelayWorks(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	cfg := config(t, c.ListenAddrs()...)
	db, s := outbox(t, cfg, 100)
	exact := follow(t, cfg)
	r := start(t, db, s, 20)
	for n := 0; pending(t, db) > 0; n++ {
		for p := range int32(3) {
			require.NoError(t, c.MoveTopicPartition(topic, p, int32(n%2)))
		}
		time.Sleep(5 * time.Millisecond)
	}
	assert.Positive(t, r.Stats().Retries, "no leader has moved under the relay's hands")
	published(t, c.ListenAddrs()[0], 1000)
	exact(1000)
}

// An operator corrects the password at the broker: the relay needs no restart.
func TestCredentialsWrongThenRight(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]func(c *kafkasink.Config) error{
		"PLAIN": func(c *kafkasink.Config) error {
			c.SASL = &plain.Mechanism{Username: "relay", Password: "secret"}
			return nil
		},
		"SCRAM-SHA-256": func(c *kafkasink.Config) (err error) {
			c.SASL, err = scram.Mechanism(scram.SHA256, "relay", "secret")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := cluster(t, kfake.EnableSASL(), kfake.Superuser(name, "relay", "other"))
			c := config(t, wrong.ListenAddrs()...)
			require.NoError(t, cfg(&c))
			db, s := outbox(t, c, 1)
			r := kafkasink.NewRelay(db.DB, s, kafkasink.RelayConfig{})
			err := r.Check(t.Context())
			require.ErrorContains(t, err, "Config.SASL")
			assert.NotContains(t, err.Error(), "secret")

			right := cluster(t, kfake.EnableSASL(), kfake.Superuser(name, "relay", "secret"))
			c.Brokers = right.ListenAddrs()
			start(t, db, kafkasink.New(c), 100)
			eventually(t, "the outbox is not empty", func() bool { return pending(t, db) == 0 })
		})
	}
}

// What was deleted before the mirror had read it is an error, also where it
// happens while the mirror runs, and never a silent gap.
func TestTruncatedLogIsAnError(t *testing.T) {
	t.Parallel()
	t.Run("kfake", func(t *testing.T) {
		t.Parallel()
		truncate(t, config(t, cluster(t).ListenAddrs()...))
	})
	t.Run("Apache Kafka", func(t *testing.T) {
		t.Parallel()
		cfg := config(t, testkafka.Broker(t))
		cfg.Topic = testkafka.Topic(t, 3)
		truncate(t, cfg)
	})
}

func truncate(t *testing.T, cfg kafkasink.Config) {
	t.Helper()
	db, s := outbox(t, cfg, 10)
	start(t, db, s, 1000)
	eventually(t, "the outbox is not empty", func() bool { return pending(t, db) == 0 })
	archive := testdb.New(t, testdb.SQLite)
	history := sqlsink.New()
	require.NoError(t, history.CreateTable(t.Context(), archive))
	mirror := func() *kafkasink.Mirror {
		m := kafkasink.NewMirror(archive.DB, history, cfg, kafkasink.MirrorConfig{})
		require.NoError(t, m.CreateTable(t.Context(), archive))
		return m
	}
	first := mirror()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.Run(ctx) }()
	eventually(t, "the events are not mirrored", func() bool { return first.Stats().Stored == 100 })
	stop()
	require.NoError(t, <-ended)

	more := make([]sink.Event, 100)
	for i := range more {
		more[i] = event(1000+i, i%10)
	}
	require.NoError(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, more) }))
	eventually(t, "the outbox is not empty", func() bool { return pending(t, db) == 0 })
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...))
	require.NoError(t, err)
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(t.Context(), cfg.Topic)
	require.NoError(t, err)
	deleted, err := admin.DeleteRecords(t.Context(), kadm.Offsets{cfg.Topic: {0: kadm.Offset{Topic: cfg.Topic, Partition: 0, At: ends[cfg.Topic][0].Offset - 1}}})
	require.NoError(t, err)
	require.NoError(t, deleted.Error())

	second := mirror()
	limited, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = second.Run(limited)
	require.ErrorIs(t, err, kafkasink.ErrGap)
	assert.ErrorContains(t, err, "partition 0")

	require.NoError(t, second.Restart(t.Context()))
	ctx, stop = context.WithCancel(t.Context())
	go func() { ended <- second.Run(ctx) }()
	eventually(t, "the mirror does not go on", func() bool {
		stats := second.Stats()
		return stats.Stored > 0 && stats.Lag[kafkasink.Partition{Topic: cfg.Topic}] == 0 && len(stats.Lag) == 3
	})
	stop()
	require.NoError(t, <-ended)
}
