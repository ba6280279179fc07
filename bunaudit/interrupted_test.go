package bunaudit_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// canceller cancels a context just before a statement is sent.
type canceller struct {
	prefix string
	cancel context.CancelFunc
}

func (c *canceller) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if c.cancel != nil && strings.HasPrefix(e.Query, c.prefix) {
		c.cancel()
	}
	return ctx
}

func (c *canceller) AfterQuery(context.Context, *bun.QueryEvent) {}

// A statement may have been carried out although its context has ended. The
// caller's transaction, whose context has not, must not commit it unrecorded.
func TestAStatementThatIsInterruptedIsNotCommittedUnrecorded(t *testing.T) {
	t.Parallel()
	upsert := func(ctx context.Context, db bun.IDB) error {
		_, err := db.NewInsert().Model(&Stock{SKU: "a", N: 1}).On("CONFLICT (sku) DO UPDATE").Set("n = EXCLUDED.n").Exec(ctx)
		return err
	}
	joined := func(ctx context.Context, db bun.IDB) error {
		_, err := db.NewUpdate().Model((*Stock)(nil)).TableExpr("(SELECT 'z' AS sku) AS p").
			Set("n = n + 1").Where("p.sku = stock.sku").Exec(ctx)
		return err
	}
	for _, c := range []struct {
		name, before string
		run          func(ctx context.Context, db bun.IDB) error
	}{
		{"before the rehearsal is undone", "ROLLBACK TO SAVEPOINT bunaudit_rehearsal", upsert},
		{"before the performance is released", "RELEASE SAVEPOINT bunaudit_rehearsal", upsert},
		{"before a joined update is released", "RELEASE SAVEPOINT bunaudit_rehearsal", joined},
		{"before the event is written", `INSERT INTO "audit_events"`, upsert},
		{"before anything is sent", "SAVEPOINT bunaudit_rehearsal", upsert},
	} {
		for _, policy := range []string{"strict", "degrade"} {
			t.Run(c.name+", "+policy, func(t *testing.T) {
				everyWay(t, func(t *testing.T, db *testdb.DB) {
					cfg := bunaudit.Config{}
					if policy == "degrade" {
						cfg.OnFailure = bunaudit.Degrade(func(context.Context, error) {})
					}
					a := newAudited(t, db, cfg, (*Stock)(nil))
					_, err := a.NewInsert().Model(&Stock{SKU: "z", N: 5}).Exec(t.Context())
					require.NoError(t, err)
					h := &canceller{prefix: c.before}
					a.AddQueryHook(h)

					tx, err := a.BeginTx(t.Context(), nil)
					require.NoError(t, err)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					h.cancel = cancel
					err = c.run(ctx, tx)
					h.cancel = nil
					committed := tx.Commit() == nil // by a caller who goes on after errors

					var sum, rows int
					require.NoError(t, db.NewRaw("SELECT coalesce(sum(n), 0), count(*) FROM stock").Scan(t.Context(), &sum, &rows))
					if len(a.events(t)) == 1 {
						require.Equal(t, []int{5, 1}, []int{sum, rows}, "error %v, committed %v", err, committed)
					} else {
						require.NoError(t, err)
						require.Equal(t, 6, sum)
					}
				})
			})
		}
	}
}
