package bunaudit_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/sqlstate"
	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// newPrepared returns an audited pool of one connection, on which statements are
// prepared.
func newPrepared(t *testing.T) *audited {
	t.Helper()
	db := testdb.New(t, testdb.Postgres)
	a := newAudited(t, db, bunaudit.Config{Prepare: true, Models: []any{(*Customer)(nil)}}, (*Customer)(nil))
	a.SetMaxOpenConns(1)
	_, err := db.NewInsert().Model(&[]Customer{{Name: "one"}, {Name: "two"}, {Name: "three"}}).Exec(t.Context())
	require.NoError(t, err)
	return a
}

// preparedStatements counts what the connection has prepared of ours.
func (a *audited) preparedStatements(t *testing.T) int {
	t.Helper()
	var n int
	require.NoError(t, a.NewRaw("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'bunaudit%'").Scan(t.Context(), &n))
	return n
}

func rename(db bun.IDB, id int64, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := db.NewUpdate().Model(&Customer{ID: id, Name: name}).Column("name").WherePK().Exec(ctx)
		return err
	}
}

func TestAStatementThatComesAgainIsPrepared(t *testing.T) {
	a := newPrepared(t)
	require.NoError(t, rename(a, 1, "a")(t.Context()))
	require.Zero(t, a.preparedStatements(t), "it may never come again")
	require.NoError(t, rename(a, 2, "o'b\\")(t.Context()))
	require.Equal(t, 1, a.preparedStatements(t))
	require.NoError(t, rename(a, 3, "$1 c")(t.Context()))
	require.NoError(t, rename(a, 3, "")(bunaudit.WithReason(t.Context(), "why")), "its event has one more column")
	require.NoError(t, rename(a, 3, "d")(bunaudit.WithReason(t.Context(), "why")))
	require.Equal(t, 2, a.preparedStatements(t))

	var names []string
	require.NoError(t, a.NewSelect().Model((*Customer)(nil)).Column("name").Order("id").Scan(t.Context(), &names))
	require.Equal(t, []string{"a", `o'b\`, "d"}, names)
	var told []string
	for _, e := range a.events(t) {
		told = append(told, string(e.Key["id"])+string(e.Changes["name"].New)+e.Reason)
	}
	require.Equal(t, []string{`1"a"`, `2"o'b\\"`, `3"$1 c"`, `3""why`, `3"d"why`}, told)
	require.Empty(t, a.hook.Stats().Separate)
}

// A transaction can't be told apart from the session that it runs on, and an
// error would end it.
func TestAStatementInATransactionIsNotPrepared(t *testing.T) {
	a := newPrepared(t)
	bunaudit.PrepareAtOnce(a.hook)
	require.NoError(t, a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return rename(tx, 1, "a")(ctx) }))
	require.Zero(t, a.preparedStatements(t))
	require.Len(t, a.events(t), 1)
}

func TestAStatementSucceedsThoughThePreparedOneIsGone(t *testing.T) {
	for name, change := range map[string]string{
		"the session has forgotten it":  "DEALLOCATE ALL",
		"its rows have more columns":    "ALTER TABLE customers ADD COLUMN more text DEFAULT 'x'",
		"a column has another type":     "ALTER TABLE customers ALTER COLUMN score TYPE integer",
		"the events have fewer indexes": "DROP INDEX audit_events_tx_idx",
	} {
		t.Run(name, func(t *testing.T) {
			a := newPrepared(t)
			bunaudit.PrepareAtOnce(a.hook)
			update := func(score int) {
				var rows []map[string]any
				require.NoError(t, a.NewRaw("UPDATE customers SET score = ? WHERE id = 1 RETURNING *", score).Scan(t.Context(), &rows))
				require.Len(t, rows, 1)
				require.EqualValues(t, fmt.Sprint(score), fmt.Sprint(rows[0]["score"]))
			}
			update(1)
			require.Equal(t, 1, a.preparedStatements(t))
			_, err := a.ExecContext(t.Context(), change)
			require.NoError(t, err)
			for score := 2; score < 5; score++ {
				update(score)
			}
			events := a.events(t)
			require.Len(t, events, 4)
			assert.JSONEq(t, "4", string(events[3].Changes["score"].New))
		})
	}
}

// 'year' is what an interval of years makes of '1', where an interval would
// make a second of it.
func TestALiteralMeansTheSameInAPreparedStatement(t *testing.T) {
	type Lease struct {
		bun.BaseModel `bun:"table:leases,audit"`

		ID    int64  `bun:",pk"`
		Years string `bun:"type:interval year"`
	}
	db := testdb.New(t, testdb.Postgres)
	a := newAudited(t, db, bunaudit.Config{Prepare: true, Sink: sqlsink.New()}, (*Lease)(nil))
	bunaudit.PrepareAtOnce(a.hook)
	_, err := a.NewInsert().Model(&Lease{ID: 1, Years: "1"}).Exec(t.Context())
	require.NoError(t, err)
	var years string
	require.NoError(t, a.NewRaw("SELECT years::text FROM leases").Scan(t.Context(), &years))
	require.Equal(t, "1 year", years)
}

func TestAPreparedStatementFailsAsTheStatementDoes(t *testing.T) {
	a := newPrepared(t)
	bunaudit.PrepareAtOnce(a.hook)
	for _, text := range []string{
		"INSERT INTO customers (id, name) VALUES (1, 'x')",
		"UPDATE customers SET score = 'x' WHERE id = 1",
		"UPDATE customers SET score = 99999999999999999999 WHERE id = 1",
		"UPDATE customers SET name = NULL WHERE id = 1",
		"UPDATE customers SET score = score / 0, name = 'n' WHERE id = 1",
	} {
		_, want := a.plain.ExecContext(t.Context(), text)
		require.Error(t, want, text)
		for range 2 {
			_, err := a.NewRaw("?", bun.Safe(text)).Exec(t.Context())
			assert.Equal(t, sqlstate.Of(want), sqlstate.Of(err), text)
		}
	}
	require.Empty(t, a.events(t))
	require.NoError(t, rename(a, 1, "a")(t.Context()))
}
