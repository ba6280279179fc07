package bunaudit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

func serverVersion(t *testing.T, db *testdb.DB) (version int) {
	t.Helper()
	require.NoError(t, db.NewRaw("SELECT current_setting('server_version_num')::int").Scan(t.Context(), &version))
	return version
}

func TestAMergeIsRecordedAsWhatItDidToEachRow(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	ctx := t.Context()
	a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
	stock := []*Stock{{SKU: "a", N: 1}, {SKU: "b", N: 2}, {SKU: "c", N: 3}}
	_, err := a.NewInsert().Model(&stock).Exec(ctx)
	require.NoError(t, err)
	const merge = `MERGE INTO stock AS s USING (VALUES ('a', 10), ('b', 0), ('c', 3), ('d', 4)) AS v (sku, n) ON s.sku = v.sku
		WHEN MATCHED AND v.n = 0 THEN DELETE
		WHEN MATCHED THEN UPDATE SET n = v.n
		WHEN NOT MATCHED THEN INSERT (sku, n) VALUES (v.sku, v.n)`
	err = a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewRaw(merge).Exec(ctx)
		if serverVersion(t, db) < 170000 {
			var refused *bunaudit.UncapturableError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Reason, "PostgreSQL 17")
			_, err = tx.NewUpdate().Model(stock[0]).Set("n = 11").WherePK().Exec(ctx) // the transaction goes on
		}
		return err
	})
	require.NoError(t, err)
	if serverVersion(t, db) < 170000 {
		require.Equal(t, `update stock {"id":1}: n 1 -> 11`, a.story(t)[3])
		return
	}
	story := a.story(t)[3:]
	require.ElementsMatch(t, []string{
		`update stock {"id":1}: n 1 -> 10`,
		`delete stock {"id":2}: n 2, sku "b"`,
	}, story[:2])
	require.Len(t, story, 3)
	require.Regexp(t, `insert stock {"id":\d+}: n -> 4, sku -> "d"`, story[2])
}

// The row that comes back does not say which one it was, unless it has the old one
// beside it.
func TestAMergeThatMovesAKey(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		version := serverVersion(t, db)
		if version < 170000 {
			t.Skip("no MERGE is recorded")
		}
		a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
		require.NoError(t, exec(a.NewInsert().Model(&[]Stock{{SKU: "a", N: 1}, {SKU: "b", N: 2}}).Exec(t.Context())))
		steps := []told{
			{"to a new key", raw("MERGE INTO stock AS s USING (SELECT 2 AS id) AS v ON s.id = v.id WHEN MATCHED THEN UPDATE SET id = 9"),
				[]string{`update stock {"id":9} was {"id":2}: id 2 -> 9`}, ""},
			{"to that of a row that it deletes", raw(`MERGE INTO stock AS s USING (VALUES (9), (1)) AS v (id) ON s.id = v.id
				WHEN MATCHED AND s.id = 9 THEN DELETE WHEN MATCHED THEN UPDATE SET id = 9`),
				[]string{`delete stock {"id":9}: n 2, sku "b"`, `update stock {"id":9} was {"id":1}: id 1 -> 9`}, ""},
		}
		if version < 180000 || db.Variant == separately {
			steps[0].want, steps[0].reason = nil, "changes primary keys"
			steps[1].run = raw(`MERGE INTO stock AS s USING (VALUES (2), (1)) AS v (id) ON s.id = v.id
				WHEN MATCHED AND s.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET id = 2`)
			steps[1].want, steps[1].reason = nil, "changes primary keys"
		}
		tell(t, a, steps, a.story(t)...)
	})
}

// Where keys may be the same for a while they don't tell rows apart.
func TestAMergeOfATableWhoseKeyIsCheckedLater(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	version := serverVersion(t, db)
	if version < 170000 || version >= 180000 {
		t.Skip("no MERGE is recorded by separate statements")
	}
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}})
	a.execute(t, "CREATE TABLE stock (id bigint PRIMARY KEY DEFERRABLE, sku text, n bigint)")
	tell(t, a, []told{
		{"two rows", raw("INSERT INTO stock VALUES (1, 'a', 1), (2, 'b', 2)"), []string{`insert stock {"id":1}: n -> 1, sku -> "a"`, `insert stock {"id":2}: n -> 2, sku -> "b"`}, ""},
		{"change places", raw("MERGE INTO stock AS s USING (VALUES (1), (2)) AS v (id) ON s.id = v.id WHEN MATCHED THEN UPDATE SET id = 3 - s.id"), nil, "guards the key"},
		{"change places by UPDATE", raw("UPDATE stock SET id = 3 - id"),
			[]string{`update stock {"id":2} was {"id":1}: id 1 -> 2`, `update stock {"id":1} was {"id":2}: id 2 -> 1`}, ""},
	})
}
