package retrieval_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// statements collects the SELECTs that are run on a database.
type statements struct{ selects []string }

func (*statements) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (s *statements) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	if e.Operation() == "SELECT" {
		s.selects = append(s.selects, e.Query)
	}
}

// planned is when the first of the events of the plans was: this month, which has
// a partition.
func planned() time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// plans says how a database tells what it would do.
type plans struct {
	fill    string // with ? for the time of the first event
	analyze string
	explain string
	scan    *regexp.Regexp // of the whole table
	sort    *regexp.Regexp // of everything that was found
	// index is the name of an index in a plan, by the end of its name.
	index map[string]string
}

func plansOf(db *testdb.DB, monthly bool) plans {
	whole := map[string]string{"key": "audit_events_key_idx", "actor": "audit_events_actor_idx", "time": "audit_events_time_idx", "tx": "audit_events_tx_idx"}
	// 2,000 rows, 100 actors and an event each six minutes, four to a transaction.
	const columns = `INSERT INTO audit_events (id, time, op, table_name, model, "key", changes, actor_id, tx) `
	switch db.Backend {
	case testdb.SQLite:
		return plans{
			fill: `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) ` + columns + `
SELECT printf('00000000-0000-7000-8000-%012x', i), strftime('%Y-%m-%dT%H:%M:%S.000000Z', ?, (i * 6) || ' minutes'), 'update', 'customers', 'Customer',
  json_object('id', i % 2000), '{"name":{"old":"Jane Doe","new":"Jane Smith"}}', CAST(i * 7919 % 100 AS TEXT), printf('00000000-0000-7000-8000-%012x', i / 4) FROM n`,
			analyze: "ANALYZE", explain: "EXPLAIN QUERY PLAN ", scan: regexp.MustCompile(`SCAN e$`), sort: regexp.MustCompile(`TEMP B-TREE FOR ORDER BY`), index: whole,
		}
	case testdb.MariaDB:
		return plans{
			fill: strings.ReplaceAll(columns, `"`, "`") + `
SELECT concat('00000000-0000-7000-8000-', lpad(hex(seq), 12, '0')), date_format(? + INTERVAL seq * 6 MINUTE, '%Y-%m-%dT%H:%i:%s.%fZ'), 'update',
  'customers', 'Customer', concat('{"id":', seq % 2000, '}'), '{"name":{"old":"Jane Doe","new":"Jane Smith"}}', seq * 7919 % 100,
  concat('00000000-0000-7000-8000-', lpad(lower(hex(seq DIV 4)), 12, '0')) FROM seq_0_to_19999`,
			analyze: "ANALYZE TABLE audit_events PERSISTENT FOR ALL", explain: "EXPLAIN ", scan: regexp.MustCompile(`\be ALL\b`), sort: regexp.MustCompile(`filesort`), index: whole,
		}
	}
	p := plans{
		fill: columns + `
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, timestamptz ? + i * interval '6 minutes', 'update', 'customers', 'Customer',
  jsonb_build_object('id', i % 2000), '{"name": {"old": "Jane Doe", "new": "Jane Smith"}}', (i * 7919 % 100)::text,
  ('00000000-0000-7000-8000-' || lpad(to_hex(i / 4), 12, '0'))::uuid FROM generate_series(0, 19999) AS i`,
		analyze: "ANALYZE audit_events", explain: "EXPLAIN ", scan: regexp.MustCompile(`Seq Scan on audit_events.* rows=\d{3}`), sort: regexp.MustCompile(`(?m)(^|-> +)Sort  \(`), index: whole,
	}
	if monthly {
		p.index = map[string]string{"key": "_table_name_key_seq_idx", "actor": "_actor_id_seq_idx", "time": "_time_idx", "tx": "_tx_idx"}
	}
	return p
}

// TestQueriesUseAnIndex asks the databases, which decide by the statistics of
// 20,000 events, how they would run what the common questions come to.
func TestQueriesUseAnIndex(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) { testPlans(t, db, false, true) })
}

// TestQueriesUseAnIndexWithoutStatistics does the same on SQLite, which has
// statistics only where somebody has made them.
func TestQueriesUseAnIndexWithoutStatistics(t *testing.T) {
	testPlans(t, testdb.New(t, testdb.SQLite), false, false)
}

// TestQueriesUseTheIndexesOfPartitions does the same for a table with
// partitions, and no partition may be read that can't have what is asked for.
func TestQueriesUseTheIndexesOfPartitions(t *testing.T) {
	testPlans(t, testdb.New(t, testdb.Postgres), true, true)
}

// fillPlans makes the events that the plans are for.
func fillPlans(t *testing.T, db *testdb.DB, monthly, analyzed bool) plans {
	t.Helper()
	events := sqlsink.New()
	if monthly {
		events = sqlsink.New(sqlsink.Monthly())
	}
	require.NoError(t, events.CreateTable(t.Context(), db.DB))
	p := plansOf(db, monthly)
	_, err := db.NewRaw(p.fill, planned().Format(time.DateTime)).Exec(t.Context())
	require.NoError(t, err)
	// Row 7 was 90007 before, and some others had other keys, too.
	moved := `replace(?, '"id":', '"id":9000')`
	if db.Backend == testdb.Postgres {
		moved = `replace(?::text, '"id": ', '"id": 9000')::jsonb`
	}
	_, err = db.NewRaw("UPDATE audit_events SET old_key = "+moved+" WHERE seq BETWEEN 10000 AND 10999 AND seq % 4 = 0", bun.Ident("key")).Exec(t.Context())
	require.NoError(t, err)
	if analyzed {
		_, err = db.ExecContext(t.Context(), p.analyze)
		require.NoError(t, err)
	}
	return p
}

func testPlans(t *testing.T, db *testdb.DB, monthly, analyzed bool) {
	p := fillPlans(t, db, monthly, analyzed)

	day := planned().AddDate(0, 1, 10)
	watched := db.Open(t)
	var seen statements
	watched.AddQueryHook(&seen)
	page, err := retrieval.ForAll(watched).By("42").NewestFirst().Limit(50).Page(t.Context())
	require.NoError(t, err)
	actor := func() *retrieval.Query[sink.Values] {
		return retrieval.ForAll(watched).By("42").NewestFirst().Limit(50)
	}
	row := func() *retrieval.Query[sink.Values] {
		return retrieval.ForTable(watched, "customers").Key(map[string]any{"id": 7})
	}
	since := func() *retrieval.Query[sink.Values] {
		return retrieval.ForAll(watched).Between(day, day.AddDate(0, 0, 1)).Limit(50)
	}
	ofDay, err := since().Page(t.Context())
	require.NoError(t, err)
	for _, test := range []struct {
		name   string
		query  *retrieval.Query[sink.Values]
		events int
		index  string
		sorted bool // by the index, so that a page costs what it holds
		months int  // how many partitions are to be read; 0: all
	}{
		{"the history of a key", retrieval.ForTable(watched, "customers").Key(map[string]any{"id": 6}), 10, "key", !monthly, 0},
		{"some days of a key", row().Between(day, day.AddDate(0, 0, 10)), 1, "key", false, 1},
		{"the first page of an actor", actor(), 50, "actor", true, 0},
		{"the next page of an actor", actor().After(page.Next), 50, "actor", true, 0},
		{"a day", retrieval.ForAll(watched).Between(day, day.AddDate(0, 0, 1)), 240, "time", false, 1},
		{"the first page of a day", since(), 50, "time", true, 1},
		{"the next page of a day", since().After(ofDay.Next), 50, "time", true, 1},
		{"the last page of a day", since().NewestFirst(), 50, "time", true, 1},
		{"what a table has seen since a day", retrieval.ForTable(watched, "customers").Since(day).Limit(50), 50, "time", true, 0},
		{"the first page of an actor in a table", retrieval.ForTable(watched, "customers").By("42").NewestFirst().Limit(50), 50, "actor", true, 0},
		{"a transaction", retrieval.ForAll(watched).Tx(uuid(100)), 4, "tx", false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			seen.selects = nil
			found, err := test.query.All(t.Context())
			require.NoError(t, err)
			assert.InDelta(t, test.events, len(found), 1)
			require.NotEmpty(t, seen.selects)
			for _, query := range seen.selects {
				plan := explain(t, db, p.explain+query)
				assert.NotRegexp(t, p.scan, plan, query)
				if strings.Contains(query, "changes") { // the one that reads the events
					assert.Contains(t, plan, p.index[test.index], query)
					assert.False(t, test.sorted && p.sort.MatchString(plan), "%s\n%s", query, plan)
					if monthly && test.months > 0 {
						assert.Len(t, partitionsIn(plan), test.months, plan)
					}
				}
			}
		})
	}
}

// partitionsIn lists the partitions that a plan reads.
func partitionsIn(plan string) map[string]bool {
	all := map[string]bool{}
	for _, found := range regexp.MustCompile(`Scan (?:Backward )?(?:using \w+ )?on (audit_events_\d{4}_\d\d|audit_events_default)\b[^_]`).FindAllStringSubmatch(plan, -1) {
		all[found[1]] = true
	}
	return all
}

// explain returns the lines of a plan, the columns of each separated by spaces.
func explain(t *testing.T, db *testdb.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		dest := make([]any, len(cells))
		for i := range cells {
			dest[i] = &cells[i]
		}
		require.NoError(t, rows.Scan(dest...))
		for i, cell := range cells {
			if i > 0 {
				plan.WriteString(" ")
			}
			plan.WriteString(cell.String)
		}
		plan.WriteString("\n")
	}
	require.NoError(t, rows.Err())
	return fmt.Sprint(&plan)
}
