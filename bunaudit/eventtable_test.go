package bunaudit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// As after an update of the library whose migration nobody has run: Check names
// the column, and no change is committed without its event. A statement that
// writes its events itself fails where they have a value for the column.
func TestATableOfEventsThatLacksAColumn(t *testing.T) {
	needing := map[string]func(ctx context.Context) context.Context{
		"on_behalf_of": func(ctx context.Context) context.Context {
			return bunaudit.WithActor(ctx, sink.Actor{ID: "1", OnBehalfOf: "2"})
		},
		"meta": func(ctx context.Context) context.Context { return bunaudit.WithMeta(ctx, "request_id", "7") },
	}
	for column, with := range needing {
		t.Run(column, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				for _, prepare := range []bool{false, true} {
					a := newAudited(t, db, bunaudit.Config{Prepare: prepare}, (*Customer)(nil))
					a.execute(t, "ALTER TABLE audit_events DROP COLUMN "+column)
					isExplained := func(err error) {
						t.Helper()
						require.ErrorIs(t, err, sqlsink.ErrNoTable)
						require.ErrorContains(t, err, "(audit_events): it lacks a column, which CreateTable doesn't add: run the migrations: ")
						require.ErrorContains(t, err, column)
					}
					isExplained(a.hook.Check(t.Context()))

					goesOn := 0
					if db.Backend == testdb.Postgres && db.Variant != separately {
						goesOn = 2
						require.NoError(t, writes["insert"](t.Context(), a))
						require.NoError(t, writes["insert"](t.Context(), a))
					} else {
						isExplained(writes["insert"](t.Context(), a))
					}
					var notRecorded *bunaudit.NotRecordedError
					err := writes["insert"](with(t.Context()), a)
					require.ErrorAs(t, err, &notRecorded)
					isExplained(err)
					isExplained(a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
						return writes["insert"](with(ctx), tx)
					}))
					require.Len(t, customers(t, a, "TRUE"), goesOn)
					n, err := db.NewSelect().Table("audit_events").Count(t.Context())
					require.NoError(t, err)
					require.EqualValues(t, goesOn, n)
					a.execute(t, "DROP TABLE audit_events")
					a.execute(t, "DROP TABLE customers")
				}
			})
		})
	}
}
