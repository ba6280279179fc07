package bunaudit_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/oracle"
	"github.com/sqlaudit/bun/internal/testdb"
)

var (
	randomFor  = flag.Duration("random.for", envDuration("BUNAUDIT_TEST_RANDOM", 4*time.Second), "how long the random test runs on each database, on MariaDB twice")
	randomSeed = flag.Uint64("random.seed", 0, "seed of the random test's first round; 0 takes the time")
)

// The audit's record has to be what the database's triggers have seen. `make
// soak` does the same for longer, and finds the smallest program.
func TestRandomStatementsAgainstTriggers(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		seed := *randomSeed
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		length := *randomFor
		if db.Backend == testdb.MariaDB {
			length *= 2 // make test does not run it for several versions
		}
		statements, events := 0, 0
		var w *oracle.World
		for end := time.Now().Add(length); ; seed++ {
			if w == nil || !w.Fits(seed) {
				fresh := testdb.New(t, db.Backend)
				fresh.SetMaxIdleConns(-1) // the database is the world's
				var err error
				w, err = oracle.Open(t.Context(), oracle.Setup{
					Open: func() *bun.DB { return fresh.Open(t) },
					// What comes for the first time, and in transactions, is not prepared.
					Configure: func(cfg *bunaudit.Config) {
						cfg.SeparateStatements = db.Variant == separately
						cfg.Prepare = !cfg.SeparateStatements
					},
					Seed: seed,
				})
				require.NoError(t, err)
			}
			o := oracle.Options{Seed: seed, Blocks: 8, Kill: seed%4 == 0}
			if seed%4 == 1 {
				o.Moments = 2
			}
			report, err := w.Round(t.Context(), o)
			require.NoError(t, err)
			statements, events = statements+report.Statements, events+report.Events
			if len(report.Differences) > 0 {
				program, _, _ := w.Shrink(t.Context(), report)
				t.Fatalf("-random.seed %d: the records differ:\n%s\nthe program:\n%s", seed, strings.Join(report.Differences, "\n"), program)
			}
			if time.Now().After(end) {
				break
			}
		}
		t.Logf("%d statements, %d events, last seed %d", statements, events, seed)
	})
}

func envDuration(name string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(name)); err == nil {
		return d
	}
	return otherwise
}
