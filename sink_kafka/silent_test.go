package kafkasink_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// A broker that doesn't answer any more keeps nothing but its own partitions, of which there
// are more than are waited for at once: not what goes by the other one, whichever of them is
// asked first, and not the start-up check. The cluster soon knows that it is down, unless it
// is the controller.
func brokerIsSilent(t *testing.T, own servers, silent int) {
	const (
		timeout     = 3 * time.Second
		mostLatency = timeout * 5 / 6
		partitions  = 20
		changes     = 10
	)
	s, flowing, shared, alone := newTwoBrokers(t, own, silent, partitions, timeout)
	cfg := quick()
	cfg.Batch = 50 // so that what is on its way is in several pages of a pass
	relay := kafkasink.NewRelay(s.plain.DB, s.sink, cfg)
	stop := start(t, relay)
	eventually(t, "the relay does not work", func() bool { return relay.Stats().Leader })
	flowed, stood := 0, 0
	latency := func() time.Duration {
		flowed++
		began := time.Now()
		s.raise(t, flowing)
		eventually(t, "the other broker's partition stands still", func() bool { return s.pendingOf(t, flowing) == 0 })
		return time.Since(began)
	}

	control := map[int]string{1: own.controlKafka, 2: own.controlSecond}[silent]
	order(t, control, pause)
	resumed := false
	defer func() {
		if !resumed {
			order(t, control, resume)
		}
	}()
	for range 3 { // more than a page, all of one topic
		s.raise(t, alone...)
	}
	paused, worst := time.Now(), time.Duration(0)
	for relay.Stats().Retries < 2*partitions {
		if stood < changes {
			stood++
			s.raise(t, append(alone, shared)...)
		}
		worst = max(worst, latency())
		if flowed%20 == 0 {
			assert.NoError(t, relay.Check(t.Context()))
		}
	}
	t.Logf("of %d changes the slowest took %v to be published and deleted", flowed, worst)
	assert.Less(t, worst, mostLatency)
	assert.Equal(t, stood, s.pendingOf(t, shared))
	eventually(t, "not all of them are said to stand still", func() bool { return len(relay.Stats().Stopped) == partitions })
	if silent == 1 { // or else it is known to be down, and then nothing is on its way to it
		assert.GreaterOrEqual(t, time.Since(paused), 2*timeout, "a partition has several tries at a time")
	}
	stop()

	// Another relay finds it silent from the start.
	second := kafkasink.NewRelay(s.plain.DB, s.sink, cfg)
	stop = start(t, second)
	assert.Less(t, latency(), mostLatency+cfg.LeaseTTL)
	took := s.keepsLeaseToItsEnd(t, stop)
	if silent == 1 {
		assert.Greater(t, took, timeout/4)
	}

	start(t, kafkasink.NewRelay(s.plain.DB, s.sink, cfg))
	time.Sleep(timeout / 2)
	resumed = true
	order(t, control, resume)
	s.drain(t)
	got := firsts(t, decoded(t, s.publishedTo(t, own, s.topic, s.topic+"-both")))
	chained(t, got, "score")
	want := map[string]int{flowing: 1 + flowed, shared: 1 + stood}
	for _, row := range alone {
		want[row] = 1 + 3 + stood
	}
	for row, n := range want {
		assert.Equal(t, n, len(got["customers"+row]), row) //nolint:testifylint // They are many.
	}
}

// keepsLeaseToItsEnd stops a relay, and checks that it keeps the lease until it knows what
// became of what is on its way. It returns how long that took.
func (s *service) keepsLeaseToItsEnd(t *testing.T, stop func()) (took time.Duration) {
	t.Helper()
	began := time.Now()
	stopped := make(chan time.Time, 1)
	go func() {
		stop()
		stopped <- time.Now()
	}()
	eventually(t, "the lease is kept", func() bool {
		var holder string
		require.NoError(t, s.plain.NewSelect().Table("audit_outbox_lease").Column("holder").Scan(t.Context(), &holder))
		return holder == ""
	})
	resigned, ended := time.Now(), <-stopped
	assert.WithinDuration(t, resigned, ended, 300*time.Millisecond, "it worked on without the lease")
	return ended.Sub(began)
}

// newTwoBrokers returns a service, and keys of customers, one for each partition: of a topic
// that both brokers have, in the partition of the one that works and in that of the silent one,
// and those of a topic that the silent one has alone.
func newTwoBrokers(t *testing.T, own servers, silent, partitions int, timeout time.Duration) (s *service, flowing, shared string, alone []string) {
	t.Helper()
	topic := fmt.Sprintf("silent-%d", silent)
	both := topic + "-both"
	testkafka.CreateAt(t, own.kafka, topic, slices.Repeat([]int{silent}, partitions-1))
	testkafka.CreateAt(t, own.kafka, both, []int{3 - silent, silent})
	db := testdb.New(t, testdb.SQLite)
	s = newService(t, db, kafkasink.Config{
		Brokers: []string{own.kafka, own.second}, Topic: topic, Timeout: timeout,
		TopicOf: func(e *sink.Event) string {
			if id := string(e.Key["id"]); len(id) == 3 && id[0] == '3' {
				return both
			}
			return ""
		},
	})
	stop := start(t, kafkasink.NewRelay(db.DB, s.sink, quick()))
	s.insertMany(t, 20*partitions)
	s.drain(t)
	stop()
	rows := map[string]string{}
	for _, m := range s.publishedTo(t, own, topic, both) {
		rows[fmt.Sprint(m.Topic, m.Partition)] = strings.TrimPrefix(string(m.Key), "customers|")
	}
	require.Len(t, rows, partitions+1)
	flowing, shared = rows[both+"0"], rows[both+"1"]
	delete(rows, both+"0")
	delete(rows, both+"1")
	return s, flowing, shared, slices.Collect(maps.Values(rows))
}

func (s *service) publishedTo(t *testing.T, own servers, topics ...string) (all []kafka.Message) {
	t.Helper()
	for _, topic := range topics {
		all = append(all, testkafka.Read(t, own.kafka, topic)...)
	}
	return all
}

// raise changes customers, named by their keys.
func (s *service) raise(t *testing.T, rows ...string) {
	t.Helper()
	_, err := s.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id IN (?)", bun.In(rows)).Exec(t.Context())
	require.NoError(t, err)
}

// pendingOf is how many events of a customer are in the outbox.
func (s *service) pendingOf(t *testing.T, row string) int {
	t.Helper()
	n, err := s.plain.NewSelect().Table(kafkasink.DefaultTable).Where("? = ?", bun.Ident("key"), `{"id":`+row+"}").Count(t.Context())
	require.NoError(t, err)
	return int(n)
}
