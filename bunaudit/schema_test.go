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

type mainStock struct {
	bun.BaseModel `bun:"table:main.stock,audit"`
	SKU           string `bun:",pk"`
	N             int64
}

// A table has one name, in events, counts and errors.
func TestATableWithASchemaHasItsNameWhereverItIsNamed(t *testing.T) {
	a := newAudited(t, testdb.New(t, testdb.SQLite), bunaudit.Config{}, (*mainStock)(nil))
	ctx := t.Context()
	_, err := a.NewInsert().Model(&mainStock{SKU: "a"}).Exec(ctx)
	require.NoError(t, err)
	require.Equal(t, "main.stock", a.events(t)[0].Table)

	_, err = a.ExecContext(ctx, "DELETE FROM main.stock")
	var refused *bunaudit.UncapturableError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "main.stock", refused.Table)
	_, err = a.NewRaw("UPDATE main.stock SET n = n WHERE WHERE").Exec(ctx)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "it can't be taken apart: keyword out of place in WHERE at byte 34", refused.Reason)

	require.Equal(t, map[string]bunaudit.TableStats{"main.stock": {Captured: 1, Refused: 2, Events: 1}}, a.hook.Stats().Tables)
}
