package judge

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

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
