package kafkasink_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

func TestOneRelayWorksAndAnotherTakesOver(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		relay := func(name string) *kafkasink.Relay {
			cfg := quick()
			cfg.Name, cfg.LeaseTTL = name, time.Minute
			return kafkasink.NewRelay(db.Open(t), s.sink, cfg)
		}
		first, second := relay("first"), relay("second")
		stopFirst := start(t, first)
		eventually(t, "the first does not work", func() bool { return first.Stats().Leader })
		start(t, second)
		write(t, s, db, 1)
		s.drain(t)
		assert.False(t, second.Stats().Leader)
		assert.Zero(t, second.Stats().Published)

		stopFirst() // it gives the lease up: nobody waits for a minute
		eventually(t, "the second does not take over", func() bool { return second.Stats().Leader })
		write(t, s, db, 2)
		s.drain(t)
		assert.EqualValues(t, 1, second.Stats().Published)
		assert.Len(t, s.published(t), 2)
	})
}

// A relay that is gone without a word loses the lease after its TTL, not before.
func TestLeaseOfADeadRelayRunsOut(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		_, err := db.NewRaw("INSERT INTO audit_outbox_lease (name, holder, term, beat, ttl_ms) VALUES ('relay', 'killed', 7, 3, 700)").Exec(t.Context())
		require.NoError(t, err)
		write(t, s, db, 1)
		began := time.Now()
		start(t, kafkasink.NewRelay(db.DB, s.sink, quick()))
		s.drain(t)
		assert.GreaterOrEqual(t, time.Since(began), 700*time.Millisecond)
		var holder string
		var term int64
		require.NoError(t, db.NewSelect().Table("audit_outbox_lease").Column("holder", "term").Scan(t.Context(), &holder, &term))
		assert.NotEqual(t, "killed", holder)
		assert.EqualValues(t, 8, term)
	})
}

// Whoever loses the lease, to an operator or to a relay that thinks it dead,
// stops; it stands by then.
func TestRelayThatLosesTheLeaseStandsBy(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		relay := kafkasink.NewRelay(db.DB, s.sink, quick())
		start(t, relay)
		eventually(t, "the relay does not work", func() bool { return relay.Stats().Leader })
		_, err := db.NewRaw("UPDATE audit_outbox_lease SET holder = 'another', term = term + 1, beat = 0, ttl_ms = 900").Exec(t.Context())
		require.NoError(t, err)
		eventually(t, "the relay works on", func() bool { return !relay.Stats().Leader })
		write(t, s, db, 1)
		time.Sleep(300 * time.Millisecond)
		assert.Equal(t, 1, s.pending(t), "it stands by")
		s.drain(t) // the other one is silent for too long
		assert.True(t, relay.Stats().Leader)
	})
}

// Two relays that both believe to hold the lease publish events twice, and keep
// the order all the same.
func TestTwoRelaysAtOnceKeepTheOrder(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		cfg := quick()
		cfg.Batch = 10
		var relays []*kafkasink.Relay
		for range 2 {
			cfg.LeaseTTL += 100 * time.Millisecond // so that they don't look at the same time
			relays = append(relays, kafkasink.NewRelay(db.Open(t), s.sink, cfg))
			start(t, relays[len(relays)-1])
		}
		stop := s.work(t, 3, 5)
		for range 60 { // each takes it at once, while the other doesn't know yet
			_, err := db.NewRaw("UPDATE audit_outbox_lease SET holder = ''").Exec(t.Context())
			require.NoError(t, err)
			time.Sleep(20 * time.Millisecond)
		}
		want := stop()
		s.drain(t)
		s.expect(t, want)
		assert.Greater(t, relays[0].Stats().Published+relays[1].Stats().Published, int64(want), "they were not at work at once")
	})
}
