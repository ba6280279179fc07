package bunaudit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
)

func TestDegradeKeepsTheChangeAndReportsOnce(t *testing.T) {
	t.Parallel()
	for _, fault := range faults {
		if errors.Is(fault.cause, context.Canceled) || fault.kills {
			continue // the change can't be committed either
		}
		for place, in := range ignoring {
			t.Run(fault.name+"/"+place, func(t *testing.T) {
				everyWay(t, func(t *testing.T, db *testdb.DB) {
					var reports []error
					fail := fault.fault(t, db, func() {})
					a := newAudited(t, db, bunaudit.Config{Sink: failing(&fail), Log: silent,
						OnFailure: bunaudit.Degrade(func(_ context.Context, err error) { reports = append(reports, err) }),
					}, (*Customer)(nil))
					_, err := db.NewInsert().Model(&Customer{Name: "Jane", Score: 5}).Exec(t.Context())
					require.NoError(t, err)
					for _, op := range []string{"insert", "update", "delete"} {
						reports = nil
						in(t, t.Context(), a, func(ctx context.Context, db runner) {
							require.NoError(t, writes[op](ctx, db))
							_, err := db.NewInsert().Model(&Customer{Name: "after " + op}).Exec(good(ctx))
							require.NoError(t, err, "the transaction goes on")
						})
						require.Len(t, reports, 1)
						requireNotRecorded(t, reports[0], fault, sink.Op(op))
						require.Len(t, customers(t, a, "name = 'after "+op+"'"), 1)
						switch op {
						case "insert":
							require.Len(t, customers(t, a, "name = 'new'"), 1)
						case "update":
							require.Equal(t, 6, customers(t, a, "id = 1")[0].Score)
						case "delete":
							require.Empty(t, customers(t, a, "id = 1"))
						}
					}
					for _, e := range a.events(t) {
						require.Equal(t, "good", e.Reason)
					}
				})
			})
		}
	}
}

func TestDegradeReportsOnlyGapsInTheRecord(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		reports := 0
		a := newAudited(t, db, bunaudit.Config{
			Sink: sink.Func(func(context.Context, sink.Tx, []sink.Event) error {
				cancel()
				return errSink
			}),
			OnFailure: bunaudit.Degrade(func(context.Context, error) { reports++ }),
		}, (*Customer)(nil))
		for place, in := range ignoring {
			if place != "on the pool" && place != "on a bun.Conn" {
				continue
			}
			in(t, ctx, a, func(ctx context.Context, db runner) {
				require.ErrorIs(t, writes["insert"](ctx, db), context.Canceled)
			})
			require.Empty(t, customers(t, a, "TRUE"), place)
			require.Zero(t, reports, place+": the change isn't there either")
		}
	})
}

func TestDegradeReportsWhenTheConnectionIsFree(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var a *audited
		var found int
		a = newAudited(t, db, bunaudit.Config{
			Sink: sinktest.Failing(errSink),
			OnFailure: bunaudit.Degrade(func(ctx context.Context, _ error) {
				assert.NoError(t, a.NewSelect().Model((*Customer)(nil)).ColumnExpr("count(*)").Scan(ctx, &found))
			}),
		}, (*Customer)(nil))
		a.SetMaxOpenConns(1)
		require.NoError(t, writes["insert"](ctx, a))
		require.Equal(t, 1, found, "what is reported is committed")
	})
}
