package kafkasink_test

import (
	"context"
	"database/sql"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/testdb"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// What a relay in a process of its own is told by.
const (
	relayEnv = "BUNAUDIT_TEST_RELAY" // backend, data source name, topic and phase
	lineFeed = "\n"
)

// TestMain lets this test binary stand in for a relay.
func TestMain(m *testing.M) {
	if told := os.Getenv(relayEnv); told != "" {
		relayThatDies(strings.Split(told, lineFeed))
	}
	// They wait for servers more than they compute. The command line may say otherwise.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// relayThatDies runs a relay that is killed in a phase of its work.
func relayThatDies(told []string) {
	dialects := map[string]struct {
		driver  string
		dialect schema.Dialect
	}{
		testdb.SQLite:   {sqliteshim.ShimName, sqlitedialect.New()},
		testdb.Postgres: {"pg", pgdialect.New()},
		testdb.MariaDB:  {"mysql", mysqldialect.New()},
	}
	pool, err := sql.Open(dialects[told[0]].driver, told[1])
	if err != nil {
		panic(err)
	}
	db := bun.NewDB(pool, dialects[told[0]].dialect)
	db.AddQueryHook(&killer{phase: told[3], countdown: 1 + rand.IntN(3)})
	s := kafkasink.New(kafkasink.Config{Brokers: []string{os.Getenv("BUNAUDIT_TEST_KAFKA")}, Topic: told[2]})
	cfg := quick()
	cfg.Batch, cfg.LeaseTTL = 20, 200*time.Millisecond // which the next one waits for
	if err := kafkasink.NewRelay(db, s, cfg).Run(context.Background()); err != nil {
		panic(err)
	}
}

// killer kills this process before or after a statement on the outbox.
type killer struct {
	phase     string
	mu        sync.Mutex
	countdown int
}

// The phases of a relay's work, as its database sees them.
const (
	afterRead    = "after it has read"
	beforeDelete = "after it has sent" // and before it deletes
	duringDelete = "while it deletes"
	afterDelete  = "after it has deleted"
	anywhere     = "anywhere"
)

func (k *killer) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if !isDelete(e) {
		return ctx
	}
	switch k.phase {
	case beforeDelete:
		k.kill()
	case duringDelete:
		if k.due() {
			go func() {
				time.Sleep(rand.N(2 * time.Millisecond))
				dead()
			}()
		}
	}
	return ctx
}

func (k *killer) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	switch {
	case k.phase == afterRead && isRead(e), k.phase == afterDelete && isDelete(e):
		k.kill()
	case k.phase == anywhere && isRead(e) && k.due():
		go func() {
			time.Sleep(rand.N(20 * time.Millisecond))
			dead()
		}()
	}
}

// isRead reports whether a statement reads the outbox.
func isRead(e *bun.QueryEvent) bool {
	return strings.HasPrefix(e.Query, "SELECT") && strings.Contains(e.Query, kafkasink.DefaultTable) && strings.Contains(e.Query, " AS e")
}

// isDelete reports whether a statement deletes events that were published.
func isDelete(e *bun.QueryEvent) bool {
	return strings.HasPrefix(e.Query, "DELETE") && !strings.Contains(e.Query, kafkasink.DefaultTable+"_")
}

func (k *killer) kill() {
	if k.due() {
		dead()
	}
}

func (k *killer) due() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.countdown--
	return k.countdown == 0
}

func dead() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // it is under way
}

// A relay that is killed, whatever it is doing, loses nothing and keeps the order.
func TestRelayIsKilledInEveryPhase(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{})
		stop := s.work(t, 4, 5)
		backlog := 0
		for _, phase := range []string{afterRead, beforeDelete, duringDelete, afterDelete, anywhere, anywhere} {
			backlog += s.insertMany(t, 100) // so that it also works ahead
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), relayEnv+"="+strings.Join([]string{db.Backend, db.DSN, s.topic, phase}, lineFeed))
			cmd.Stderr = logged{t}
			err := cmd.Run()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			require.True(t, ok && status.Signal() == syscall.SIGKILL, "%s: the relay was not killed: %v", phase, err)
		}
		want := stop() + backlog
		start(t, kafkasink.NewRelay(db.DB, s.sink, quick()))
		s.drain(t)
		s.expect(t, want)
	})
}

func TestRelayAndMirrorSurviveTheirConnections(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		if db.Backend == testdb.SQLite {
			t.Skip("there is no connection to kill")
		}
		s := newService(t, db, kafkasink.Config{})
		start(t, kafkasink.NewRelay(db.DB, s.sink, quick()))
		run(t, newMirror(t, db, s.topic, kafkasink.MirrorConfig{}))
		n := 0
		for range 20 {
			for range 20 {
				n++
				eventually(t, "nothing can be written", func() bool { return tryWrite(t, s, db.DB, n) == nil })
			}
			db.KillConnections(t)
			time.Sleep(rand.N(20 * time.Millisecond))
		}
		s.drain(t)
		mirrored(t, db, n)
		ids := map[string]bool{}
		for _, m := range s.published(t) {
			ids[m.Event.ID] = true
		}
		assert.Len(t, ids, n)
	})
}
