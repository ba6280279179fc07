package kafkasink_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

func TestWhatCantBeReadIsSetAside(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		topic := testkafka.Topic(t, 1)
		newer := message(t, 2)
		newer.Value = []byte(strings.Replace(string(newer.Value), `"v":1`, `"v":9`, 1))
		odd := message(t, 3)
		odd.Value = []byte(strings.Replace(string(odd.Value), uuid(3), "not a uuid", 1))
		alien := kafka.Message{Key: []byte{0xff, 0}, Value: []byte("hello \x00"), Headers: []kafka.Header{{Key: "from", Value: []byte("elsewhere")}}}
		produce(t, topic, 0, message(t, 1), newer, kafka.Message{Key: []byte("tombstone")}, odd, alien, message(t, 4))
		m := newMirror(t, db, topic, kafkasink.MirrorConfig{})
		stop := run(t, m)
		mirrored(t, db, 2)
		require.NoError(t, stop())

		var offsets []int64
		var reasons []string
		for r, err := range m.Rejected(t.Context()) {
			require.NoError(t, err)
			offsets, reasons = append(offsets, r.Message.Offset), append(reasons, r.Reason)
			if r.Message.Offset == 4 {
				assert.Equal(t, alien.Key, r.Message.Key)
				assert.Equal(t, alien.Value, r.Message.Value)
				assert.Equal(t, alien.Headers, r.Message.Headers)
			}
		}
		assert.Equal(t, []int64{1, 2, 3, 4}, offsets)
		for i, want := range []string{"newer version", "no value", "not a UUID", "not JSON"} {
			assert.Contains(t, reasons[i], want)
		}
		assert.EqualValues(t, 4, m.Stats().Rejected)

		// Once it can be read, here because somebody mended it, it is stored.
		_, err := db.NewUpdate().Table("audit_mirror_rejected").Set("message_value = ?", message(t, 2).Value).Where("message_offset = 1").Exec(t.Context())
		require.NoError(t, err)
		n, err := m.Retry(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		mirrored(t, db, 3)
		left := 0
		for _, err := range m.Rejected(t.Context()) {
			require.NoError(t, err)
			left++
		}
		assert.Equal(t, 3, left)
	})
}

// SQLite holds what PostgreSQL's jsonb can't: one such event doesn't stop the
// others.
func TestWhatTheDatabaseRefusesIsSetAside(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.Postgres)
	topic := testkafka.Topic(t, 1)
	bad := message(t, 2)
	bad.Value = []byte(strings.Replace(string(bad.Value), `"new":null`, `"new":"\u0000"`, 1))
	produce(t, topic, 0, message(t, 1), bad, message(t, 3))
	m := newMirror(t, db, topic, kafkasink.MirrorConfig{})
	run(t, m)
	events := mirrored(t, db, 2)
	assert.Equal(t, uuid(1), events[0].ID)
	assert.Equal(t, uuid(3), events[1].ID)
	assert.EqualValues(t, 1, m.Stats().Rejected)
}

// A message that MirrorConfig.Edit panics for is set aside, and stored once that is
// mended.
func TestMessageThatEditPanicsForIsSetAside(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		topic := testkafka.Topic(t, 1)
		produce(t, topic, 0, messages(t, 1, 3)...)
		var mended atomic.Bool
		m := newMirror(t, db, topic, kafkasink.MirrorConfig{Edit: func(m *kafkasink.Message) {
			if m.Event.ID == uuid(2) && !mended.Load() {
				panic("no room for it")
			}
		}})
		stop := run(t, m)
		mirrored(t, db, 2)
		require.NoError(t, stop())
		for r, err := range m.Rejected(t.Context()) {
			require.NoError(t, err)
			assert.EqualValues(t, 1, r.Message.Offset)
			assert.Equal(t, "kafkasink: MirrorConfig.Edit panicked: no room for it", r.Reason)
		}
		n, err := m.Retry(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
		mended.Store(true)
		n, err = m.Retry(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		mirrored(t, db, 3)
	})
}
