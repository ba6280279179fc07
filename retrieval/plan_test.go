package retrieval_test

import (
	"context"
	"fmt"
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

// TestQueriesUseAnIndex asks PostgreSQL, which decides by the statistics of
// 20,000 events, how it would run what the common questions come to.
func TestQueriesUseAnIndex(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	require.NoError(t, sqlsink.New().CreateTable(t.Context(), db.DB))
	// 2,000 rows, 100 actors and an event each ten minutes, four to a transaction.
	_, err := db.ExecContext(t.Context(), `INSERT INTO audit_events (id, time, op, table_name, model, key, changes, actor_id, tx)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, timestamptz '2026-01-01' + i * interval '10 minutes', 'update', 'customers', 'Customer',
  jsonb_build_object('id', i % 2000), '{"name": {"old": "Jane Doe", "new": "Jane Smith"}}', (i * 7919 % 100)::text,
  ('00000000-0000-7000-8000-' || lpad(to_hex(i / 4), 12, '0'))::uuid
FROM generate_series(0, 19999) AS i`)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "ANALYZE audit_events")
	require.NoError(t, err)

	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	all := func(q *retrieval.Query[sink.Values]) func() (int, error) {
		return func() (int, error) {
			events, err := q.All(t.Context())
			return len(events), err
		}
	}
	watched := db.Open(t)
	var seen statements
	watched.AddQueryHook(&seen)
	page, err := retrieval.ForAll(watched).By("42").NewestFirst().Limit(50).Page(t.Context())
	require.NoError(t, err)
	for _, test := range []struct {
		name   string
		run    func() (int, error)
		events int
		index  string
		sorted bool // by the index, so that a page costs what it holds
	}{
		{"the history of a key", all(retrieval.ForTable(watched, "customers").Key(map[string]any{"id": 7})), 10, "audit_events_key_idx", false},
		{"the first page of an actor", all(retrieval.ForAll(watched).By("42").NewestFirst().Limit(50)), 50, "audit_events_actor_idx", true},
		{"the next page of an actor", all(retrieval.ForAll(watched).By("42").NewestFirst().Limit(50).After(page.Next)), 50, "audit_events_actor_idx", true},
		{"a day", all(retrieval.ForAll(watched).Between(day, day.AddDate(0, 0, 1))), 144, "audit_events_time_idx", false},
		{"a transaction", all(retrieval.ForAll(watched).Tx(uuid(100))), 4, "audit_events_tx_idx", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			seen.selects = nil
			n, err := test.run()
			require.NoError(t, err)
			assert.Equal(t, test.events, n)
			require.NotEmpty(t, seen.selects)
			for i, query := range seen.selects {
				plan := explain(t, db, query)
				assert.NotContains(t, plan, "Seq Scan on audit_events", query)
				if i == len(seen.selects)-1 { // the one that reads the events
					assert.Contains(t, plan, test.index, query)
					assert.False(t, test.sorted && strings.Contains(plan, "Sort"), "%s\n%s", query, plan)
				}
			}
		})
	}
}

func explain(t *testing.T, db *testdb.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), fmt.Sprintf("EXPLAIN %s", query))
	require.NoError(t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan.WriteString(line + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}
