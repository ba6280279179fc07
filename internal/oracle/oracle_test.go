package oracle

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
)

// A record that is spoilt in any way differs. What a spoiling needs, an update
// say, is not in every program: the rounds go on until each has been had.
func TestTheComparisonCanFail(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		w := openWorld(t, db)
		left := spoilings()
		for seed := uint64(1); len(left) > 0; seed++ {
			require.Less(t, seed, uint64(sharing), "no program has what these need: %v", slices.Sorted(maps.Keys(left)))
			r, err := w.Round(t.Context(), Options{Seed: seed, Clients: 1, Blocks: 40})
			require.NoError(t, err)
			require.Empty(t, r.Differences)
			for name, spoil := range left {
				rec, err := w.load(t.Context())
				require.NoError(t, err)
				require.Empty(t, compare(rec))
				if spoil(rec) {
					require.NotEmpty(t, compare(rec), "seed %d: %s", seed, name)
					delete(left, name)
				}
			}
		}
	})
}

// spoilings make a record false, and report whether it had what they need for it.
func spoilings() map[string]func(rec *record) bool {
	return map[string]func(rec *record) bool{
		"an event is missing": func(rec *record) bool {
			return spoilEvent(rec, anyEvent, func(i int) { rec.events = slices.Delete(rec.events, i, i+1) })
		},
		"the last event is missing": func(rec *record) bool {
			last := len(rec.events) - 1
			return spoilEvent(rec, func(i int) bool { return i == last }, func(int) { rec.events = rec.events[:last] })
		},
		"an event is there twice": func(rec *record) bool {
			return spoilEvent(rec, anyEvent, func(i int) { rec.events = append(rec.events, rec.events[i]) })
		},
		"an old value is false": func(rec *record) bool { return spoilUpdate(rec, func(d *diff) { d.old += "0" }) },
		"a new value is false":  func(rec *record) bool { return spoilUpdate(rec, func(d *diff) { d.new += "0" }) },
		"a column is missing": func(rec *record) bool {
			return spoilEvent(rec, func(i int) bool { return len(rec.events[i].cols) > 0 }, func(i int) { clear(rec.events[i].cols) })
		},
		"a key is false": func(rec *record) bool {
			return spoilEvent(rec, anyEvent, func(i int) { rec.events[i].key = `{"id":4711}` })
		},
		"the operation is false": func(rec *record) bool {
			return spoilEvent(rec, anyEvent, func(i int) { rec.events[i].op += " not" })
		},
		"a transaction is split": func(rec *record) bool {
			return spoilEvent(rec, sameTx(rec, true), func(i int) { rec.events[i].tx = "another" })
		},
		"transactions are joined": func(rec *record) bool {
			return spoilEvent(rec, sameTx(rec, false), func(i int) { rec.events[i].tx = rec.events[i-1].tx })
		},
		"an event has another label": func(rec *record) bool {
			return spoilEvent(rec, sameTx(rec, true), func(i int) { rec.events[i].label += "0" })
		},
		"a row is not as the events say": func(rec *record) bool {
			for _, rows := range rec.live {
				for k := range rows {
					delete(rows, k)
					return true
				}
			}
			return false
		},
	}
}

func anyEvent(int) bool { return true }

// sameTx is whether an event is of the transaction of the one before.
func sameTx(rec *record, want bool) func(i int) bool {
	return func(i int) bool { return i > 0 && (rec.events[i].tx == rec.events[i-1].tx) == want }
}

// spoilEvent spoils the first event that fits.
func spoilEvent(rec *record, fits func(i int) bool, spoil func(i int)) bool {
	for i := range rec.events {
		if fits(i) {
			spoil(i)
			return true
		}
	}
	return false
}

// spoilUpdate spoils a column of the first update that has one with values.
func spoilUpdate(rec *record, spoil func(d *diff)) bool {
	for _, e := range rec.events {
		for name, d := range e.cols {
			if e.op == "update" && d.mask == "" {
				spoil(&d)
				e.cols[name] = d
				return true
			}
		}
	}
	return false
}

// The history differs from tables that are not what they were, and from a
// transaction that has left other rows behind.
func TestTheComparisonWithTheHistoryCanFail(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		w := openWorld(t, db)
		rowMissing, revertWrong := false, false
		for seed := uint64(1); !rowMissing || !revertWrong; seed++ {
			require.Less(t, seed, uint64(sharing), "no program leaves what is needed")
			r, err := w.Round(ctx, Options{Seed: seed, Clients: 1, Blocks: 40, Moments: 2})
			require.NoError(t, err)
			require.Empty(t, r.Differences)
			rec, err := w.load(ctx)
			require.NoError(t, err)
			for table, rows := range rec.live {
				require.Empty(t, w.asOf(ctx, table, time.Now(), rows))
				for key := range rows {
					delete(rows, key)
					require.NotEmpty(t, w.asOf(ctx, table, time.Now(), rows))
					rowMissing = true
					break
				}
			}
			if len(rec.events) == 0 {
				continue
			}
			tx := rec.events[len(rec.events)-1].tx
			rec.events = slices.DeleteFunc(rec.events, func(e change) bool { return e.tx != tx }) // as if there had been nothing before
			revertWrong = revertWrong || len(w.revert(ctx, rec, tx, "revert")) > 0
		}
	})
}

// In the middle of a round the server stops and starts again, once cleanly and
// once as in a crash. It takes a server that no other test uses, so the test runs
// itself with one.
func TestTheRecordsAgreeAfterTheServerHasStopped(t *testing.T) {
	for _, s := range []stoppable{
		{testdb.Postgres, "BUNAUDIT_TEST_POSTGRES", nil, []string{"SELECT pg_postmaster_start_time()::text"}},
		{testdb.MariaDB, "BUNAUDIT_TEST_MARIADB", []string{"-pg", "none", "-mariadb"}, []string{
			"CREATE TABLE IF NOT EXISTS started (id int PRIMARY KEY, at datetime(6)) ENGINE=MEMORY", // empty after each start
			"INSERT IGNORE INTO started VALUES (1, NOW(6))",
			"SELECT at FROM started",
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if control := os.Getenv(s.env + "_CONTROL"); control != "" {
				s.stopInRounds(t, control)
			} else {
				s.runWithServer(t)
			}
		})
	}
}

// stoppable is a database whose server can be stopped.
type stoppable struct {
	name    string
	env     string   // the variable that names the server
	wanted  []string // of the program that starts it
	started []string // statements, the last of which tells when the server was started
}

func (s stoppable) stopInRounds(t *testing.T, control string) {
	t.Helper()
	db := testdb.New(t, s.name)
	w := openWorld(t, db)
	done := map[string]bool{}
	for seed := uint64(1); len(done) < 2; seed++ {
		how := restartOf(seed)
		if done[how] {
			continue
		}
		done[how] = true
		before := s.start(t, db)
		r, err := w.Round(t.Context(), Options{Seed: seed, Control: control, Blocks: 12})
		require.NoError(t, err)
		require.NotEqual(t, before, s.start(t, db))
		require.Empty(t, r.Differences, "seed %d, %s", seed, how)
		require.NotZero(t, r.Events)
	}
}

// start is when the server was started.
func (s stoppable) start(t *testing.T, db *testdb.DB) (at string) {
	t.Helper()
	require.Eventually(t, func() bool { return db.PingContext(t.Context()) == nil }, 5*time.Second, 10*time.Millisecond)
	last := len(s.started) - 1
	for _, q := range s.started[:last] {
		_, err := db.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	require.NoError(t, db.NewRaw(s.started[last]).Scan(t.Context(), &at))
	return at
}

// runWithServer runs the test in another process, with a server of its own that
// takes orders.
func (s stoppable) runWithServer(t *testing.T) {
	t.Helper()
	server := os.Getenv("BUNAUDIT_TEST_SERVER")
	if server == "" {
		testdb.Missing(t, "BUNAUDIT_TEST_SERVER does not name the program that starts a server: run make test")
	}
	test, _, _ := strings.Cut(t.Name(), "/")
	args := append(append([]string{"run", "-control"}, s.wanted...), "--", os.Args[0], "-test.run=^"+test+"$/^"+s.name+"$", "-test.v")
	cmd := exec.CommandContext(t.Context(), server, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, s.env+"=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
}

func openWorld(t *testing.T, db *testdb.DB) *World {
	t.Helper()
	db.SetMaxIdleConns(-1) // the database is the world's
	w, err := Open(t.Context(), Setup{Open: func() *bun.DB { return db.Open(t) }, Seed: 1})
	require.NoError(t, err)
	return w
}
