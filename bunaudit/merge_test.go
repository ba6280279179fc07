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
