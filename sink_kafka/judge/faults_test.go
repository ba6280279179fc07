package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sqlaudit/bun/internal/testdb"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

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
