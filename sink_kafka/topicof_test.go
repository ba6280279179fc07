package kafkasink_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

func TestTopicByFunctionOfTheEvent(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	other := testkafka.Topic(t, 1)
	s := newService(t, db, kafkasink.Config{TopicOf: func(e *sink.Event) string {
		if string(e.Changes["name"].New) == `"vip"` {
			return other
		}
		return ""
	}})
	start(t, kafkasink.NewRelay(db.DB, s.sink, quick()))
	for _, name := range []string{"Jane", "vip", "John"} {
		s.insert(t, s, name)
	}
	s.drain(t)
	assert.Len(t, s.published(t), 2)
	assert.Len(t, testkafka.Read(t, testkafka.Broker(t), other), 1)
}

// faulty is a Config.TopicOf that goes wrong for some names, until it is mended.
type faulty struct{ mended atomic.Bool }

// The names that it goes wrong for, and what is said of them.
func (*faulty) wrong() map[string]string {
	return map[string]string{
		"panic":  "Config.TopicOf panicked: no topic for panic \ufffd",
		"nil":    "Config.TopicOf panicked: runtime error: invalid memory address",
		"slash":  `Config.TopicOf returned "a/b", which can't be the name of a topic`,
		"dots":   `Config.TopicOf returned "..", which`,
		"long":   `Config.TopicOf returned "ttt`,
		"speech": "Config.TopicOf panicked: blah blah",
	}
}

func (f *faulty) topicOf(e *sink.Event) string {
	if f.mended.Load() {
		return ""
	}
	switch strings.Trim(string(e.Changes["name"].New), `"`) {
	case "panic":
		panic("no topic for panic \x00\xff") // bytes that no database takes in a text
	case "nil":
		var none *sink.Event
		return none.Table
	case "slash":
		return "a/b"
	case "dots":
		return ".."
	case "long":
		return strings.Repeat("t", 300)
	case "speech":
		panic(strings.Repeat("blah ", 1<<20))
	}
	return ""
}

// What Config.TopicOf does wrong keeps one event, which can be put back once it is
// mended, and neither the rest nor the process.
func TestEventThatTopicOfFailsForIsADeadLetter(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		f := &faulty{}
		s := newService(t, db, kafkasink.Config{TopicOf: f.topicOf})
		why := map[string]string{} // by the id of the row
		for name, want := range f.wrong() {
			why[fmt.Sprint(s.insert(t, s, name).ID)] = want
			s.insert(t, s, "good")
		}
		relay := kafkasink.NewRelay(db.DB, s.sink, quick())
		start(t, relay)
		s.drain(t)
		assert.Len(t, s.published(t), len(why))
		assert.Empty(t, relay.Stats().Stopped)

		var seqs []int64
		for d, err := range relay.DeadLetters(t.Context()) {
			require.NoError(t, err)
			assert.Contains(t, d.Error, why[string(d.Event.Key["id"])])
			assert.Less(t, len(d.Error), 3000)
			assert.Equal(t, s.topic, d.Topic)
			seqs = append(seqs, d.Seq)
		}
		require.Len(t, seqs, len(why))
		f.mended.Store(true)
		n, err := relay.Requeue(t.Context(), seqs...)
		require.NoError(t, err)
		assert.Equal(t, len(why), n)
		s.drain(t)
		assert.Len(t, s.published(t), 2*len(why))
		for d, err := range relay.DeadLetters(t.Context()) {
			require.NoError(t, err)
			t.Error(d.Error)
		}
	})
}

func TestDirectDeliveryFailsTheChangeThatTopicOfFailsFor(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	f := &faulty{}
	s := newService(t, db, kafkasink.Config{Delivery: kafkasink.Direct, TopicOf: f.topicOf})
	for name, want := range f.wrong() {
		_, err := s.NewInsert().Model(&Customer{Name: name}).Exec(t.Context())
		var notRecorded *bunaudit.NotRecordedError
		require.ErrorAs(t, err, &notRecorded)
		assert.ErrorContains(t, err, strings.TrimSuffix(want, "\ufffd"))
	}
	n, err := db.NewSelect().Model((*Customer)(nil)).Count(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Empty(t, s.published(t))
}
