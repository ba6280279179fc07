package retrieval_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// TestRowsReadTheirOwnEvents asks the databases how they would run the statements
// of what is asked about one row: none may read what other rows of the table have.
// SQLite is asked as it mostly is, without statistics.
func TestRowsReadTheirOwnEvents(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		p := fillPlans(t, db, false, db.Backend != testdb.SQLite)
		foreign := map[string]*regexp.Regexp{
			testdb.SQLite:   regexp.MustCompile(`(?m)USING INDEX audit_events_(actor|time|tx)_idx|\(table_name=\?\)|USING INTEGER PRIMARY KEY`),
			testdb.Postgres: regexp.MustCompile(`Seq Scan|_pkey|Index Cond: \(table_name = '\w+'::text\)`),
			testdb.MariaDB:  regexp.MustCompile(`\be (ALL|index)\b|\be range \S+ PRIMARY \d+  \d{2,} `), // up to nine events may be those until a moment
		}[db.Backend]
		watched := db.Open(t)
		var seen statements
		watched.AddQueryHook(&seen)
		row := func(id int) *retrieval.Query[sink.Values] {
			return retrieval.ForTable(watched, "customers").Key(map[string]any{"id": id})
		}
		late := planned().AddDate(1, 0, 0)
		for name, ask := range map[string]func(ctx context.Context, id int) error{
			"events": func(ctx context.Context, id int) error { _, err := row(id).All(ctx); return err },
			"a page": func(ctx context.Context, id int) error {
				_, err := row(id).NewestFirst().Limit(3).Page(ctx)
				return err
			},
			"an offset": func(ctx context.Context, id int) error { _, err := row(id).Offset(2).Limit(3).All(ctx); return err },
			"count":     func(ctx context.Context, id int) error { _, err := row(id).Count(ctx); return err },
			"first":     func(ctx context.Context, id int) error { _, err := row(id).First(ctx); return err },
			"by an actor": func(ctx context.Context, id int) error {
				page, err := row(id).By("53").Limit(1).Page(ctx) // who has changed both
				if err == nil {
					_, err = row(id).By("53").After(page.Next).All(ctx)
				}
				return err
			},
			"since": func(ctx context.Context, id int) error { _, err := row(id).Since(planned()).All(ctx); return err },
			"new value": func(ctx context.Context, id int) error {
				_, err := row(id).WhereNew("name", "Jane Smith").All(ctx)
				return err
			},
			"as of": func(ctx context.Context, id int) error { _, err := row(id).RowAsOf(ctx, late); return incomplete(err) },
			"as of before": func(ctx context.Context, id int) error {
				_, err := row(id).RowAsOf(ctx, planned().Add(time.Hour))
				return incomplete(err)
			},
			"rows as of": func(ctx context.Context, id int) error {
				for _, err := range retrieval.For[Customer](watched).Keys(id, id+1, id+2).RowsAsOf(ctx, late) {
					if err := incomplete(err); err != nil {
						return err
					}
				}
				return nil
			},
			"versions": func(ctx context.Context, id int) error {
				_, err := retrieval.Collect(row(id).Versions(ctx))
				return err
			},
			"previous": func(ctx context.Context, id int) error {
				last, err := row(id).Last(ctx)
				if err == nil {
					_, err = row(id).Previous(ctx, last)
				}
				return err
			},
			"prune": func(ctx context.Context, id int) error {
				_, err := row(id).Prune(ctx, retrieval.PruneOptions{Keep: 3, DryRun: true})
				return err
			},
		} {
			for _, id := range []int{3, 7} {
				t.Run(fmt.Sprintf("%s of %d", name, id), func(t *testing.T) {
					seen.selects = nil
					require.NoError(t, ask(t.Context(), id))
					require.NotEmpty(t, seen.selects)
					for _, query := range seen.selects {
						assert.NotRegexp(t, foreign, explain(t, db, p.explain+query), query)
					}
				})
			}
		}
	})
}

// TestTheWholeTableIsReadInTheOrderOfItsKeys asks for the plans of what replays all
// rows of a table, page by page: no page may sort what the later ones will have. On
// MariaDB, keys that are longer than an index has room for are left out of this.
func TestTheWholeTableIsReadInTheOrderOfItsKeys(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		p := fillPlans(t, db, false, db.Backend != testdb.SQLite)
		sorted := map[string]*regexp.Regexp{
			testdb.SQLite:   regexp.MustCompile(`(?s)SEARCH e USING INDEX audit_events_\w+_idx \(table_name=\?( AND (old_)?key>\?)?\)\s[^\n]*USE TEMP B-TREE`),
			testdb.Postgres: regexp.MustCompile(`Sort  \(.* rows=\d{4,}|Seq Scan`),
			testdb.MariaDB:  regexp.MustCompile(`\be (ALL|.*filesort)`),
		}[db.Backend]
		watched := db.Open(t)
		var seen statements
		watched.AddQueryHook(&seen)
		n := 0
		for _, err := range retrieval.ForTable(watched, "customers").RowsAsOf(t.Context(), planned().AddDate(1, 0, 0)) {
			require.NoError(t, incomplete(err))
			if n++; n == 500 {
				break
			}
		}
		assert.Equal(t, 500, n)
		pages := 0
		for _, query := range seen.selects {
			if strings.Contains(query, "under_key") && !strings.Contains(query, "char_length") {
				assert.NotRegexp(t, sorted, explain(t, db, p.explain+query), query)
				pages++
			}
		}
		assert.Greater(t, pages, 500*10/500)
	})
}

// incomplete lets an answer pass that says that history begins with an update.
func incomplete(err error) error {
	if errors.Is(err, retrieval.ErrIncomplete) {
		return nil
	}
	return err
}
