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

// Counter is kept by a sink, and is audited itself.
type Counter struct {
	bun.BaseModel `bun:"table:counters,audit"`

	ID int64 `bun:",pk"`
	N  int
}

// counting is a sink that writes to an audited table, through Bun.
func counting(update func(ctx context.Context, db *bun.DB, tx sink.Tx) error) sink.Func {
	return func(ctx context.Context, tx sink.Tx, events []sink.Event) error {
		if events[0].Table == "counters" {
			return nil
		}
		return update(ctx, tx.(interface{ DB() *bun.DB }).DB(), tx)
	}
}

func TestASinkMayWriteToAnAuditedTable(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		count := counting(func(ctx context.Context, db *bun.DB, tx sink.Tx) error {
			_, err := db.NewUpdate().Model((*Counter)(nil)).Set("n = n + 1").Where("id = 1").Conn(tx).Exec(ctx)
			return err
		})
		a := newAudited(t, db, bunaudit.Config{Sink: sink.Tee(sqlsink.New(), count)}, (*Customer)(nil), (*Counter)(nil))
		_, err := a.NewInsert().Model(&Counter{ID: 1}).Exec(t.Context())
		require.NoError(t, err)
		_, err = a.NewInsert().Model(&Customer{Name: "a"}).Exec(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{
			`insert counters {"id":1}: n -> 0`,
			`insert customers {"id":1}: email -> null, name -> "a", score -> 0`,
			`update counters {"id":1}: n 0 -> 1`,
		}, a.story(t))
		require.Equal(t, []int{1, 2}, transactions(a.events(t)))
	})
}

func TestAStatementOfASinkThatIsRefusedUndoesTheChange(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		count := counting(func(ctx context.Context, db *bun.DB, tx sink.Tx) error {
			_, err := db.NewRaw("UPDATE counters SET n = 1; UPDATE counters SET n = 2").Conn(tx).Exec(ctx)
			return err
		})
		a := newAudited(t, db, bunaudit.Config{Sink: count, Models: []any{(*Counter)(nil)}}, (*Customer)(nil), (*Counter)(nil))
		tx, err := a.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.NewInsert().Model(&Customer{Name: "a"}).Exec(t.Context())
		var unrecorded *bunaudit.NotRecordedError
		require.ErrorAs(t, err, &unrecorded)
		_ = tx.Commit() // by a caller who doesn't look
		n, err := db.NewSelect().Model((*Customer)(nil)).Count(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

type auditedEvent struct {
	bun.BaseModel `bun:"table:audit_events,audit"`

	Seq int64 `bun:",pk"`
	Op  string
}

// Where statements write their events themselves no Write is called, and there
// is an end.
func TestAnAuditedTableOfEventsIsNoEndlessRecord(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*auditedEvent)(nil)}}, (*Customer)(nil))
		_, err := a.NewInsert().Model(&Customer{Name: "a"}).Exec(t.Context())
		n, countErr := db.NewSelect().Model((*Customer)(nil)).Count(t.Context())
		require.NoError(t, countErr)
		if db.Backend == testdb.Postgres && db.Variant == "" {
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			require.Len(t, a.story(t), 1)
			return
		}
		var unrecorded *bunaudit.NotRecordedError
		require.ErrorAs(t, err, &unrecorded)
		require.ErrorContains(t, err, "the table of events itself must not be audited")
		require.Zero(t, n)
		require.Empty(t, a.story(t))
	})
}
