package bunaudit_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// foreign is a connection whose meaning nobody knows.
type foreign struct{ bun.IConn }

type refusal struct {
	name string
	only string // the database that it is for; empty: all
	op   string // "" where the text can't be taken apart
	run  func(ctx context.Context, db runner, model any, table string) error
}

func exec[R any](_ R, err error) error { return err }

func query(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	for rows.Next() { // a statement may run on as its rows are read
		continue
	}
	_ = rows.Close()
	return rows.Err()
}

var refusals = []refusal{
	{"Exec of an insert", "", "INSERT", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "INSERT INTO ? (name, score) VALUES ('x', 1)", bun.Ident(table)))
	}},
	{"Exec of an update in lower case", "", "UPDATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "update "+table+" set score = 7"))
	}},
	{"Exec of a delete behind comments", "", "DELETE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "/* a */ -- b\n DELETE FROM "+table+" WHERE TRUE"))
	}},
	{"Query with RETURNING", "", "INSERT", func(ctx context.Context, db runner, _ any, table string) error {
		return query(db.QueryContext(ctx, "INSERT INTO "+table+" (name, score) VALUES ('x', 1) RETURNING id"))
	}},
	{"QueryRow with RETURNING", "", "DELETE", func(ctx context.Context, db runner, _ any, table string) error {
		var id int64
		return db.QueryRowContext(ctx, "DELETE FROM "+table+" RETURNING id").Scan(&id)
	}},
	{"two statements in one NewRaw", "", "UPDATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("UPDATE " + table + " SET score = 1; UPDATE " + table + " SET score = 2").Exec(ctx))
	}},
	{"a write behind a SELECT in one NewRaw", "", "SELECT", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("SELECT 1; DELETE FROM " + table).Exec(ctx))
	}},
	{"a write behind a SELECT in one Exec", "", "SELECT", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "SELECT 1; DELETE FROM "+table))
	}},
	{"a data-modifying CTE in a SELECT", testdb.Postgres, "SELECT", func(ctx context.Context, db runner, model any, _ string) error {
		var names []string
		return db.NewSelect().With("gone", db.NewDelete().Model(model).Where("TRUE").Returning("name")).
			TableExpr("gone").Column("name").Scan(ctx, &names)
	}},
	{"a data-modifying CTE in Rows", testdb.Postgres, "SELECT", func(ctx context.Context, db runner, model any, _ string) error {
		return query(db.NewSelect().With("gone", db.NewDelete().Model(model).Where("TRUE").Returning("name")).
			TableExpr("gone").Column("name").Rows(ctx))
	}},
	{"a data-modifying CTE in Count", testdb.Postgres, "SELECT", func(ctx context.Context, db runner, model any, _ string) error {
		return exec(db.NewSelect().With("gone", db.NewUpdate().Model(model).Set("score = 9").Where("TRUE").Returning("name")).
			TableExpr("gone").Count(ctx))
	}},
	{"a data-modifying CTE in an insert elsewhere", testdb.Postgres, "INSERT", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("WITH gone AS (DELETE FROM " + table + " RETURNING name) INSERT INTO archive SELECT name FROM gone").Exec(ctx))
	}},
	{"a data-modifying CTE in an update of the same table", testdb.Postgres, "UPDATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("WITH gone AS (DELETE FROM " + table + " WHERE id = 1 RETURNING id) UPDATE " + table + " SET score = 7 WHERE id = 2").Exec(ctx))
	}},
	{"EXPLAIN ANALYZE of a write", testdb.Postgres, "EXPLAIN", func(ctx context.Context, db runner, _ any, table string) error {
		return query(db.QueryContext(ctx, "EXPLAIN ANALYZE UPDATE "+table+" SET score = 7"))
	}},
	{"a DO block", testdb.Postgres, "CALL", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "DO $$ BEGIN UPDATE "+table+" SET score = 7; END $$"))
	}},
	{"PREPARE of a write", testdb.Postgres, "PREPARE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "PREPARE bunaudit_p AS UPDATE "+table+" SET score = 7"))
	}},
	{"TRUNCATE as text", testdb.Postgres, "TRUNCATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "TRUNCATE TABLE "+table))
	}},
	{"WHERE CURRENT OF", testdb.Postgres, "UPDATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("UPDATE " + table + " SET score = 7 WHERE CURRENT OF c").Exec(ctx))
	}},
	{"COPY FROM", testdb.Postgres, "COPY", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.ExecContext(ctx, "COPY "+table+" (name) FROM '/dev/null'"))
	}},
	{"INSERT OR REPLACE that updates", testdb.SQLite, "INSERT", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("INSERT OR REPLACE INTO " + table + " (id, name, score) VALUES (1, 'x', 1) ON CONFLICT DO UPDATE SET score = 2").Exec(ctx))
	}},
	{"UPDATE OR REPLACE", testdb.SQLite, "UPDATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("UPDATE OR REPLACE " + table + " SET id = 2 WHERE id = 1").Exec(ctx))
	}},
	{"UPDATE OR IGNORE of keys", testdb.SQLite, "UPDATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("UPDATE OR IGNORE " + table + " SET id = 5").Exec(ctx))
	}},
	{"INSERT OR FAIL", testdb.SQLite, "INSERT", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("INSERT OR FAIL INTO " + table + " (id, name, score) VALUES (3, 'x', 1), (1, 'y', 1)").Exec(ctx))
	}},
	{"UPDATE OR FAIL", testdb.SQLite, "UPDATE", func(ctx context.Context, db runner, _ any, table string) error {
		return exec(db.NewRaw("UPDATE OR FAIL " + table + " SET score = 8").Exec(ctx))
	}},
	{"a connection of a foreign type", "", "UPDATE", func(ctx context.Context, db runner, model any, _ string) error {
		return exec(db.NewUpdate().Model(model).Set("score = 7").Where("TRUE").Conn(&foreign{db}).Exec(ctx))
	}},
	{"a connection of a foreign type that is no pointer", "", "UPDATE", func(ctx context.Context, db runner, model any, _ string) error {
		return exec(db.NewUpdate().Model(model).Set("score = 7").Where("TRUE").Conn(foreign{db}).Exec(ctx))
	}},
	{"a builder that can't be taken apart", "", "UPDATE", func(ctx context.Context, db runner, model any, _ string) error {
		return exec(db.NewUpdate().Model(model).Set("score = 7").Where("TRUE").Where("(name = 'a' /* )").Exec(ctx))
	}},
}

// refusing are the places in which a statement is refused.
var refusing = map[string]func(t *testing.T, ctx context.Context, db *bun.DB, f func(db runner)){
	"on the pool": func(_ *testing.T, _ context.Context, db *bun.DB, f func(runner)) { f(db) },
	"in a transaction": func(t *testing.T, ctx context.Context, db *bun.DB, f func(runner)) {
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		f(tx)
		require.NoError(t, insertNamed(ctx, tx, "after"), "the transaction goes on")
		require.NoError(t, tx.Commit())
	},
	"on a bun.Conn": func(t *testing.T, ctx context.Context, db *bun.DB, f func(runner)) {
		conn, err := db.Conn(ctx)
		require.NoError(t, err)
		defer conn.Close()
		f(conn)
		if err := conn.Raw(func(any) error { return nil }); err == nil {
			require.NoError(t, insertNamed(ctx, conn, "after"), "the connection goes on")
		}
	},
}

func TestWhatCannotBeCapturedIsRefused(t *testing.T) {
	t.Parallel()
	for place, in := range refusing {
		t.Run(place, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				for _, c := range refusals {
					if c.only == "" || c.only == db.Backend {
						t.Run(c.name, func(t *testing.T) { testRefusal(t, db, c, place, in) })
					}
				}
			})
		})
	}
}

func testRefusal(t *testing.T, db *testdb.DB, c refusal, place string, in func(*testing.T, context.Context, *bun.DB, func(runner))) {
	ctx := deadline(t)
	a := newAudited(t, db, bunaudit.Config{Log: silent}, (*Customer)(nil))
	renew(t, db, "customers")
	_, err := a.NewInsert().Model(&[]Customer{{Name: "a", Score: 1}, {Name: "b", Score: 2}}).Exec(ctx)
	require.NoError(t, err)
	in(t, ctx, a.DB, func(db runner) { err = c.run(ctx, db, (*Customer)(nil), "customers") })
	require.Equal(t, []Customer{{ID: 1, Name: "a", Score: 1}, {ID: 2, Name: "b", Score: 2}}, customers(t, a, "name <> 'after'"))
	if errors.Is(err, driver.ErrBadConn) && place == "on a bun.Conn" && db.Backend == testdb.Postgres {
		return // the only refusal that pgdriver knows there
	}
	var refused *bunaudit.UncapturableError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "customers", refused.Table)
	require.Equal(t, c.op, refused.Op)
	require.NotEmpty(t, refused.Reason)
	for _, part := range []string{"customers", refused.Reason, "bunaudit.Skip", "NewRaw"} {
		require.Contains(t, err.Error(), part)
	}
}
