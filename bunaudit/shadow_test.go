package bunaudit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// shadowing are statements whose names mean something else to a SELECT beside
// them. In stock are a, b and c, under the keys and with the numbers 1 to 3; c
// goes out.
var shadowing = []told{
	{"an update", raw("WITH stock AS (SELECT 2 AS id, 'z' AS sku, 9 AS n) UPDATE stock SET n = 10 WHERE id = 1 AND (SELECT count(*) FROM stock) = 1"),
		[]string{`update stock {"id":1}: n 1 -> 10`}, ""},
	{"by what the expression gives", raw("WITH stock AS (SELECT 2 AS id, 20 AS n) UPDATE stock AS s SET n = (SELECT n FROM stock) WHERE id IN (SELECT id FROM stock)"),
		[]string{`update stock {"id":2}: n 2 -> 20`}, ""},
	{"by a join", raw("WITH stock AS (SELECT 3 AS id, 30 AS n) UPDATE stock AS s SET n = stock.n FROM stock WHERE stock.id = s.id"),
		[]string{`update stock {"id":3}: n 3 -> 30`}, ""},
	{"of a key", raw("WITH stock AS (SELECT 3 AS id) UPDATE stock SET id = id + 10 WHERE id = (SELECT id FROM stock)"),
		[]string{`update stock {"id":13} was {"id":3}: id 3 -> 13`}, ""},
	{"a delete", raw("WITH stock AS (SELECT 13 AS id) DELETE FROM stock WHERE id IN (SELECT id FROM stock)"),
		[]string{`delete stock {"id":13}: n 30, sku "c"`}, ""},
	{"an insert", raw("WITH stock AS (SELECT 4 AS id, 'd' AS sku, 4 AS n) INSERT INTO stock SELECT * FROM stock"),
		[]string{`insert stock {"id":4}: n -> 4, sku -> "d"`}, ""},
	{"an upsert", raw("WITH stock AS (SELECT 5 AS id) INSERT INTO stock VALUES (5, 'd', (SELECT id FROM stock)) ON CONFLICT (sku) DO UPDATE SET n = EXCLUDED.n"),
		[]string{`update stock {"id":4}: n 4 -> 5`}, ""},
	{"the name in capitals", raw("WITH STOCK AS (SELECT 4 AS id) UPDATE Stock SET n = 40 WHERE id IN (SELECT id FROM stock)"),
		[]string{`update stock {"id":4}: n 5 -> 40`}, ""},
	{"the name of the table of events", raw("WITH audit_events AS (SELECT 4 AS id) UPDATE stock SET n = 41 WHERE id IN (SELECT id FROM audit_events)"),
		[]string{`update stock {"id":4}: n 40 -> 41`}, ""},
	{"a name of the audit's own", raw("WITH bunaudit_old AS (SELECT 4 AS id), Bunaudit_New AS (SELECT 1) UPDATE stock SET n = 42 WHERE id IN (SELECT id FROM bunaudit_old)"),
		[]string{`update stock {"id":4}: n 41 -> 42`}, ""},
	{"a table of such a name", raw("UPDATE stock SET n = (SELECT n FROM bunaudit_old)"),
		[]string{`update stock {"id":1}: n 10 -> 77`, `update stock {"id":2}: n 20 -> 77`, `update stock {"id":4}: n 42 -> 77`}, ""},
	{"a join with one", raw("UPDATE stock SET n = b.n + 1 FROM bunaudit_new AS b WHERE stock.n = b.n"),
		[]string{`update stock {"id":1}: n 77 -> 78`, `update stock {"id":2}: n 77 -> 78`, `update stock {"id":4}: n 77 -> 78`}, ""},
}

func TestANameThatIsHiddenMeansWhatItMeansToTheStatement(t *testing.T) {
	for _, backend := range []string{testdb.Postgres, testdb.Postgres + ", " + separately, testdb.SQLite} {
		t.Run(backend, func(t *testing.T) {
			a := shadowed(t, backend)
			tell(t, a, shadowing, a.story(t)...)
		})
	}
}

// shadowed has the rows of shadowing, and tables with the names of the audit's
// common table expressions.
func shadowed(t *testing.T, backend string) *audited {
	t.Helper()
	name := backend
	if name != testdb.SQLite {
		name = testdb.Postgres
	}
	db := testdb.New(t, name)
	if name != backend {
		db.Variant = separately
	}
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
	for _, table := range []string{"bunaudit_old", "bunaudit_new"} {
		a.execute(t, "CREATE TABLE "+table+" (n int)")
		a.execute(t, "INSERT INTO "+table+" VALUES (77)")
	}
	rows := []Stock{{SKU: "a", N: 1}, {SKU: "b", N: 2}, {SKU: "c", N: 3}}
	require.NoError(t, exec(a.NewInsert().Model(&rows).Exec(t.Context())))
	return a
}

// By Bun's builder, and where a temporary table comes before the model's.
func TestATableThatIsHiddenTwice(t *testing.T) {
	for _, backend := range []string{testdb.Postgres, testdb.SQLite} {
		t.Run(backend, func(t *testing.T) {
			a := shadowed(t, backend)
			require.NoError(t, a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
				require.NoError(t, exec(tx.ExecContext(ctx, "CREATE TEMPORARY TABLE stock (id bigint primary key, sku varchar, n bigint)")))
				require.NoError(t, exec(tx.NewInsert().Model(&Stock{ID: 1, SKU: "temporary", N: 5}).Exec(ctx)))
				require.NoError(t, exec(tx.NewUpdate().Model((*Stock)(nil)).With("stock", tx.NewSelect().ColumnExpr("1 AS id")).
					Set("n = 6").Where("id IN (SELECT id FROM stock)").Exec(ctx)))
				return exec(tx.ExecContext(ctx, "DROP TABLE stock"))
			}))
			require.Equal(t, []string{`insert stock {"id":1}: n -> 5, sku -> "temporary"`, `update stock {"id":1}: n 5 -> 6`}, a.story(t)[3:])
		})
	}
}
