package bunaudit_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

func TestTruncateIsRecordedForTheTable(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		a := newAudited(t, db, bunaudit.Config{Actor: jane}, (*Customer)(nil))
		_, err := a.NewInsert().Model(&Customer{Name: "a"}).Exec(ctx)
		require.NoError(t, err)
		_, err = a.NewTruncateTable().Model((*Customer)(nil)).Exec(ctx)
		if onMariaDB(a) { // where it commits
			var refused *bunaudit.UncapturableError
			require.ErrorAs(t, err, &refused)
			require.Len(t, customers(t, a, "1 = 1"), 1)
			return
		}
		require.NoError(t, err)
		last := a.events(t)[1]
		if db.Backend == testdb.SQLite { // where Bun writes a DELETE
			require.Equal(t, `delete customers {"id":1}: email null, name "a", score 0`, line(last))
			return
		}
		require.Equal(t, "truncate customers null", line(last))
		require.Equal(t, "TRUNCATE", last.Statement)
		require.Equal(t, "1", last.Actor.ID)
	})
}

// Each audited table that a TRUNCATE empties has an event, be it named or not.
func TestTruncateOfSeveralTables(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		other := db.NewSchema(t)
		models := []any{(*Stock)(nil), (*Line)(nil), (*Customer)(nil)}
		a := newAudited(t, db, bunaudit.Config{Models: models}, append(models, (*Ledger)(nil))...)
		a.execute(t, "CREATE SCHEMA "+other+"; CREATE TABLE "+other+".stock (id bigint PRIMARY KEY, sku text, n int)")
		truncate := func(build func(q *bun.TruncateTableQuery) *bun.TruncateTableQuery) func(context.Context, runner) error {
			return func(ctx context.Context, db runner) error { return exec(build(db.NewTruncateTable()).Exec(ctx)) }
		}
		tell(t, a, []told{
			{"several", raw("TRUNCATE stock, only bill_lines RESTART IDENTITY"), []string{"truncate stock null", "truncate bill_lines null"}, ""},
			{"behind one that is not audited", raw("truncate table ledgers, stock"), []string{"truncate stock null"}, ""},
			{"none that is audited", raw("TRUNCATE ledgers"), nil, ""},
			{"by its schema", raw("TRUNCATE ?.stock", bun.Ident(db.Schema)), []string{"truncate stock null"}, ""},
			{"of another schema", raw("TRUNCATE ?.stock", bun.Ident(other)), []string{"truncate " + other + ".stock null"}, ""},
			{"built, with a table more", truncate(func(q *bun.TruncateTableQuery) *bun.TruncateTableQuery {
				return q.Model((*Stock)(nil)).TableExpr("bill_lines")
			}), []string{"truncate stock null", "truncate bill_lines null"}, ""},
			{"CASCADE to nothing", truncate(func(q *bun.TruncateTableQuery) *bun.TruncateTableQuery {
				return q.Model((*Stock)(nil)).Cascade()
			}), []string{"truncate stock null"}, ""},
		})
		a.execute(t, `ALTER TABLE bill_lines ADD COLUMN stock_id bigint REFERENCES stock (id);
ALTER TABLE ledgers ADD COLUMN line text, ADD COLUMN n int, ADD FOREIGN KEY (line, n) REFERENCES bill_lines (bill, n);
ALTER TABLE customers ADD COLUMN ledger_id bigint REFERENCES ledgers (id)`)
		a.execute(t, "DELETE FROM audit_events")
		tell(t, a, []told{
			{"CASCADE, by way of one that is not audited", raw("TRUNCATE stock CASCADE"),
				[]string{"truncate stock null", "truncate bill_lines null", "truncate customers null"}, ""},
			{"CASCADE of one that is not audited, which passes", raw("TRUNCATE ledgers CASCADE"), nil, ""},
		})
	})
}

// In the catalogue a truncated table is another row. A transaction with a
// snapshot sees the one from before as well, where others have truncated it too.
func TestTruncateInATransactionWithASnapshot(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
		err := a.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead}, func(ctx context.Context, tx bun.Tx) error {
			if _, err := tx.ExecContext(ctx, "SELECT count(*) FROM audit_events"); err != nil { // takes the snapshot
				return err
			}
			if _, err := a.NewTruncateTable().Model((*Stock)(nil)).Exec(ctx); err != nil {
				return err
			}
			return exec(tx.NewTruncateTable().Model((*Stock)(nil)).Exec(ctx))
		})
		require.NoError(t, err)
		require.Equal(t, []string{"truncate stock null", "truncate stock null"}, a.story(t))
	})
}
