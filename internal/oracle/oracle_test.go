package oracle

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
)

func TestTheComparisonCanFail(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		w := openWorld(t, db)
		r, err := w.Round(t.Context(), Options{Seed: 1, Clients: 1, Blocks: 60})
		require.NoError(t, err)
		require.Empty(t, r.Differences)
		fresh := func() *record {
			rec, err := w.load(t.Context())
			require.NoError(t, err)
			require.Empty(t, compare(rec))
			require.Greater(t, len(rec.events), 20)
			return rec
		}
		for name, spoil := range map[string]func(rec *record){
			"an event is missing":        func(rec *record) { rec.events = rec.events[1:] },
			"the last event is missing":  func(rec *record) { rec.events = rec.events[:len(rec.events)-1] },
			"an event is there twice":    func(rec *record) { rec.events = append(rec.events, rec.events[3]) },
			"an old value is false":      func(rec *record) { spoilOne(t, rec, func(d *diff) { d.old += "0" }) },
			"a new value is false":       func(rec *record) { spoilOne(t, rec, func(d *diff) { d.new += "0" }) },
			"a column is missing":        func(rec *record) { clear(rec.events[0].cols) },
			"a key is false":             func(rec *record) { rec.events[5].key = `{"id":4711}` },
			"the operation is false":     func(rec *record) { rec.events[5].op = "restore" },
			"a transaction is split":     func(rec *record) { splitTx(t, rec) },
			"transactions are joined":    func(rec *record) { joinTxs(t, rec) },
			"an event has another label": func(rec *record) { rec.events[5].label += "0" },
			"a row is not as the events say": func(rec *record) {
				for _, rows := range rec.live {
					for k := range rows {
						delete(rows, k)
						return
					}
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				rec := fresh()
				spoil(rec)
				require.NotEmpty(t, compare(rec))
			})
		}
	})
}

// In the middle of a round the server stops and starts again, once cleanly and
// once as in a crash. It takes a server that no other test uses, so the test runs
// itself with one.
func TestTheRecordsAgreeAfterTheServerHasStopped(t *testing.T) {
	control := os.Getenv("BUNAUDIT_TEST_POSTGRES_CONTROL")
	if control == "" {
		runWithServer(t)
		return
	}
	db := testdb.New(t, testdb.Postgres)
	w := openWorld(t, db)
	done := map[string]bool{}
	for seed := uint64(1); len(done) < 2; seed++ {
		how := restartOf(seed)
		if done[how] {
			continue
		}
		done[how] = true
		before := started(t, db)
		r, err := w.Round(t.Context(), Options{Seed: seed, Control: control, Blocks: 12})
		require.NoError(t, err)
		require.NotEqual(t, before, started(t, db))
		require.Empty(t, r.Differences, "seed %d, %s", seed, how)
		require.NotZero(t, r.Events)
	}
}

// started is when the server was.
func started(t *testing.T, db *testdb.DB) (at string) {
	t.Helper()
	var err error
	for range 3 { // the pool has connections from before
		if err = db.NewRaw("SELECT pg_postmaster_start_time()::text").Scan(t.Context(), &at); err == nil {
			break
		}
	}
	require.NoError(t, err)
	return at
}

// runWithServer runs the test in another process, with a server of its own that
// takes orders.
func runWithServer(t *testing.T) {
	t.Helper()
	server := os.Getenv("BUNAUDIT_TEST_SERVER")
	if server == "" {
		const sentence = "BUNAUDIT_TEST_SERVER does not name the program that starts a server: run make test"
		if os.Getenv("BUNAUDIT_TEST_REQUIRE") != "" {
			t.Fatal(sentence)
		}
		t.Skip(sentence)
	}
	cmd := exec.CommandContext(t.Context(), server, "run", "-control", "--", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BUNAUDIT_TEST_POSTGRES=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
}

func openWorld(t *testing.T, db *testdb.DB) *World {
	t.Helper()
	w, err := Open(t.Context(), Setup{Open: func() *bun.DB { return db.Open(t) }, Seed: 1})
	require.NoError(t, err)
	return w
}

// spoilOne changes a column of an update.
func spoilOne(t *testing.T, rec *record, f func(d *diff)) {
	t.Helper()
	for _, e := range rec.events {
		for name, d := range e.cols {
			if e.op == "update" && d.mask == "" {
				f(&d)
				e.cols[name] = d
				return
			}
		}
	}
	t.Fatal("no update in the program")
}

func splitTx(t *testing.T, rec *record) {
	t.Helper()
	for i := 1; i < len(rec.events); i++ {
		if rec.events[i].tx == rec.events[i-1].tx {
			rec.events[i].tx = "another"
			return
		}
	}
	t.Fatal("no transaction of two events in the program")
}

func joinTxs(t *testing.T, rec *record) {
	t.Helper()
	for i := 1; i < len(rec.events); i++ {
		if rec.events[i].tx != rec.events[i-1].tx {
			rec.events[i].tx = rec.events[i-1].tx
			return
		}
	}
	t.Fatal("no two transactions in the program")
}
