package bunaudit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// BenchmarkStatement runs single-row statements on the pool, with the hook and
// without it: compare the two of one run.
func BenchmarkStatement(b *testing.B) {
	statements := []struct {
		name string
		run  func(ctx context.Context, db *bun.DB, i int) error
	}{
		{"insert", func(ctx context.Context, db *bun.DB, _ int) error {
			_, err := db.NewInsert().Model(&Customer{Name: "a"}).Exec(ctx)
			return err
		}},
		{"update", func(ctx context.Context, db *bun.DB, i int) error {
			_, err := db.NewUpdate().Model(&Customer{ID: 1, Name: "b", Score: i}).WherePK().Exec(ctx)
			return err
		}},
		{"delete and insert", func(ctx context.Context, db *bun.DB, _ int) error {
			if _, err := db.NewDelete().Model(&Customer{ID: 2}).WherePK().Exec(ctx); err != nil {
				return err
			}
			_, err := db.NewInsert().Model(&Customer{ID: 2, Name: "c"}).Exec(ctx)
			return err
		}},
	}
	for _, backend := range []string{testdb.SQLite, testdb.Postgres} {
		b.Run(backend, func(b *testing.B) {
			db := testdb.New(b, backend)
			ctx := b.Context()
			events := sqlsink.New()
			require.NoError(b, events.CreateTable(ctx, db))
			_, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(ctx)
			require.NoError(b, err)
			_, err = db.NewInsert().Model(&[]Customer{{Name: "a"}, {Name: "b"}}).Exec(ctx)
			require.NoError(b, err)
			audited := db.Open(b)
			audited.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events}))
			for _, s := range statements {
				for _, kind := range []struct {
					name string
					db   *bun.DB
				}{{"plain", db.DB}, {"audited", audited}} {
					b.Run(s.name+"/"+kind.name, func(b *testing.B) {
						b.ReportAllocs()
						for i := 0; b.Loop(); i++ {
							require.NoError(b, s.run(ctx, kind.db, i))
						}
					})
				}
			}
		})
	}
}
