package bunaudit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// A row has one history, whether a statement names its table with the schema
// of the search path or without.
func TestTheSchemaOfTheSearchPathMakesNoOtherTable(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	ctx := t.Context()
	a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
	_, err := a.NewInsert().Model(&Stock{SKU: "a"}).ModelTableExpr("?.stock", bun.Ident(db.Schema)).Exec(ctx)
	require.NoError(t, err)
	other := db.NewSchema(t)
	_, err = db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS ?", bun.Ident(other))
	require.NoError(t, err)
	_, err = db.ExecContext(ctx, "CREATE TABLE ?.stock (LIKE stock INCLUDING ALL)", bun.Ident(other))
	require.NoError(t, err)
	_, err = a.NewInsert().Model(&Stock{SKU: "b"}).ModelTableExpr("?.stock", bun.Ident(other)).Exec(ctx)
	require.NoError(t, err)
	events := a.events(t)
	require.Equal(t, "stock", events[0].Table)
	require.Equal(t, other+".stock", events[1].Table)
}
