package kafkasink_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/internal/testdb"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

func TestRelayOfTheSameProcessHearsOfCommits(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		cfg := quick()
		cfg.Poll = time.Hour
		relay := kafkasink.NewRelay(db.DB, s.sink, cfg)
		start(t, relay)
		for n := range 3 {
			require.NoError(t, s.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
				s.insert(t, tx, "a")
				return nil
			}))
			s.insert(t, s, "b")
			eventually(t, "the relay sleeps", func() bool { return relay.Stats().Published == int64(2*n+2) })
		}
	})
}

// hearing returns what wakes a relay at each NOTIFY, as docs/kafka.md shows it.
func hearing(t testing.TB, db *bun.DB) <-chan struct{} {
	t.Helper()
	listener := pgdriver.NewListener(db)
	require.NoError(t, listener.Listen(t.Context(), kafkasink.DefaultTable))
	wake := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range notifications(listener) {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		assert.NoError(t, listener.Close())
		<-ended
	})
	return wake
}

// notifications calls the method that is CreateChannel in older versions of pgdriver and
// Channel in newer ones.
func notifications(listener *pgdriver.Listener) <-chan pgdriver.Notification {
	v := reflect.ValueOf(listener)
	method := v.MethodByName("CreateChannel")
	if !method.IsValid() {
		method = v.MethodByName("Channel")
	}
	return method.Interface().(func(...pgdriver.ChannelOption) <-chan pgdriver.Notification)()
}

// A relay in another process hears of each commit, of a burst of them as well, and again
// when its connections were lost.
func TestRelayOfAnotherProcessHearsOfCommits(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.Postgres)
	s := newService(t, db, kafkasink.Config{Notify: db.Open(t)})
	cfg := quick()
	cfg.Poll = time.Hour
	relays := db.Open(t)
	cfg.Wake = hearing(t, relays)
	relay := kafkasink.NewRelay(relays, kafkasink.New(configured(t, kafkasink.Config{Topic: s.topic})), cfg) // which Committed doesn't reach
	start(t, relay)
	n := int64(0)
	for _, burst := range []int{1, 1, 50} {
		for range burst {
			s.insert(t, s, "x")
		}
		n += int64(burst)
		eventually(t, "the relay sleeps", func() bool { return relay.Stats().Published == n })
	}
	db.KillConnections(t)
	eventually(t, "the relay hears no more", func() bool {
		_, err := s.NewInsert().Model(&Customer{}).Exec(t.Context())
		time.Sleep(50 * time.Millisecond)
		left, countErr := db.NewSelect().Table(kafkasink.DefaultTable).Count(t.Context())
		return errors.Join(err, countErr) == nil && left == 0
	})
}

// A closed channel is no reason to look again and again.
func TestClosedWakeIsNothing(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{})
	cfg := quick()
	wake := make(chan struct{})
	close(wake)
	cfg.Wake = wake
	start(t, kafkasink.NewRelay(db.DB, s.sink, cfg))
	s.insert(t, s, "x")
	s.drain(t)
}
