package bunaudit_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/sink"
)

type plainOrder struct {
	bun.BaseModel `bun:"table:orders"`

	ID    int64 `bun:",pk,autoincrement"`
	Total int64
}

// passing are statements that the hook has nothing to do with.
func passing(tb testing.TB) (*bunaudit.Hook, map[string]*bun.QueryEvent) {
	tb.Helper()
	sqldb, err := sql.Open(sqliteshim.ShimName, ":memory:") // never used
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = sqldb.Close() })
	db := bun.NewDB(sqldb, pgdialect.New())
	hook := bunaudit.New(bunaudit.Config{Sink: sink.Discard{}, Models: []any{(*Customer)(nil)}})
	db.AddQueryHook(hook)
	queries := map[string]bun.Query{
		"select":  db.NewSelect().Model((*Customer)(nil)).Where("id = 7"),
		"insert":  db.NewInsert().Model(&plainOrder{Total: 7}),
		"update":  db.NewUpdate().Model(&plainOrder{ID: 7, Total: 7}).WherePK(),
		"delete":  db.NewDelete().Model(&plainOrder{ID: 7}).WherePK(),
		"raw":     db.NewRaw(`UPDATE "orders" AS "order" SET "total" = 8 WHERE ("order"."id" = 7)`),
		"savings": db.NewRaw(`SAVEPOINT "a"`),
	}
	events := make(map[string]*bun.QueryEvent)
	for name, q := range queries {
		events[name] = &bun.QueryEvent{DB: db, IQuery: q, Query: q.(fmt.Stringer).String()}
	}
	return hook, events
}

func TestOtherStatementsPassWithoutAnAllocation(t *testing.T) {
	hook, events := passing(t)
	for name, event := range events {
		ctx := t.Context()
		hook.BeforeQuery(ctx, event) // models are read at first sight
		require.Zero(t, testing.AllocsPerRun(100, func() { hook.BeforeQuery(ctx, event) }), name)
	}
}

func BenchmarkPass(b *testing.B) {
	hook, events := passing(b)
	for name, event := range events {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				hook.BeforeQuery(ctx, event)
			}
		})
	}
}
