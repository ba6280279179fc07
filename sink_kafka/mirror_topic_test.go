package kafkasink_test

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

func TestRecreatedTopicIsAnError(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ before, after int }{
		"with fewer messages": {before: 5, after: 2},
		"with as many":        {before: 5, after: 5},
		"with more":           {before: 5, after: 9},
		"empty":               {before: 5, after: 0},
	} {
		t.Run(name, func(t *testing.T) {
			db := testdb.New(t, testdb.SQLite)
			topic := testkafka.Topic(t, 1)
			produce(t, topic, 0, messages(t, 1, tt.before)...)
			m := newMirror(t, db, topic, kafkasink.MirrorConfig{})
			stop := run(t, m)
			mirrored(t, db, tt.before)
			require.NoError(t, stop())

			broker := testkafka.Broker(t)
			testkafka.Delete(t, broker, topic)
			recreate(t, broker, topic)
			if tt.after > 0 {
				produce(t, topic, 0, messages(t, 101, 100+tt.after)...)
			}
			again := newMirror(t, db, topic, kafkasink.MirrorConfig{})
			err := failure(t, again)
			require.ErrorIs(t, err, kafkasink.ErrRecreated)
			assert.ErrorContains(t, err, "Mirror.Restart")

			require.NoError(t, again.Restart(t.Context()))
			run(t, again)
			mirrored(t, db, tt.before+tt.after)
		})
	}
}

// recreate creates a topic that is being deleted, and returns when the broker has
// the new one: until then it may take messages for the old one, and drop them.
func recreate(t testing.TB, broker, topic string) {
	t.Helper()
	client := testkafka.Client(t, broker)
	eventually(t, "the topic can't be created", func() bool {
		res, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
		return err == nil && res.Errors[topic] == nil
	})
	eventually(t, "the topic isn't empty", func() bool {
		res, err := client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0)}}})
		return err == nil && len(res.Topics[topic]) == 1 && res.Topics[topic][0].Error == nil && res.Topics[topic][0].LastOffset == 0
	})
}

// While it runs, too.
func TestTopicRecreatedUnderARunningMirrorIsAnError(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	topic := testkafka.Topic(t, 1)
	produce(t, topic, 0, messages(t, 1, 5)...)
	m := newMirror(t, db, topic, kafkasink.MirrorConfig{})
	ended := make(chan error, 1)
	go func() { ended <- m.Run(t.Context()) }()
	mirrored(t, db, 5)
	broker := testkafka.Broker(t)
	testkafka.Delete(t, broker, topic)
	recreate(t, broker, topic)
	select {
	case err := <-ended:
		assert.ErrorIs(t, err, kafkasink.ErrRecreated)
	case <-time.After(20 * time.Second):
		t.Fatal("the mirror doesn't notice")
	}
}

func TestNewPartitionsArePickedUp(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	topic := testkafka.Topic(t, 1)
	produce(t, topic, 0, message(t, 1))
	run(t, newMirror(t, db, topic, kafkasink.MirrorConfig{}))
	mirrored(t, db, 1)
	res, err := testkafka.Client(t, testkafka.Broker(t)).CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 2}},
	})
	require.NoError(t, err)
	require.NoError(t, res.Errors[topic])
	time.Sleep(300 * time.Millisecond) // the brokers agree
	produce(t, topic, 1, message(t, 2))
	mirrored(t, db, 2)
}

func TestMirrorOfACompactedTopicIsAnError(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	m := newMirror(t, db, testkafka.Topic(t, 1, "cleanup.policy=compact"), kafkasink.MirrorConfig{})
	assert.ErrorIs(t, failure(t, m), kafkasink.ErrCompacted)
}
