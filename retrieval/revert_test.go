package retrieval_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// dump is the table of things as it is.
func dump(t *testing.T, db bun.IDB) string {
	t.Helper()
	var rows []Thing
	require.NoError(t, db.NewSelect().Model(&rows).Order("id").Scan(t.Context()))
	out := ""
	for _, r := range rows {
		out += fmt.Sprintf("%d %s %s, ", r.ID, r.A, r.B)
	}
	return out
}

var because = retrieval.RevertOptions{Reason: "a mistake"}

func TestRevertATransaction(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		ctx := t.Context()
		_, err := pool.NewInsert().Model(&[]Thing{{ID: 1, A: "a", B: "b"}, {ID: 2, A: "c", B: "d"}, {ID: 3, A: "e", B: "f"}}).Exec(ctx)
		require.NoError(t, err)
		before := dump(t, db)
		err = pool.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			for _, query := range []string{
				"UPDATE things SET a = 'x' WHERE id = 1", "UPDATE things SET a = 'y', b = '' WHERE id = 1", "UPDATE things SET id = 9 WHERE id = 1",
				"DELETE FROM things WHERE id = 2", "INSERT INTO things (id, a, b) VALUES (4, 'g', 'h')", "UPDATE things SET b = 'i' WHERE id = 4",
				"INSERT INTO things (id, a, b) VALUES (5, 'j', 'k')", "DELETE FROM things WHERE id = 5",
				"INSERT INTO things (id, a, b) VALUES (6, 'l', 'm')", "UPDATE things SET id = 7 WHERE id = 6",
			} {
				if _, err := tx.NewRaw(query).Exec(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err)
		after := dump(t, db)
		last, err := retrieval.For[Thing](pool).Last(ctx)
		require.NoError(t, err)
		revert := func(db bun.IDB, opts retrieval.RevertOptions) error {
			_, err := revert(t, db, retrieval.ForAll(db).Tx(last.Tx), opts)
			return err
		}

		require.ErrorContains(t, revert(pool, retrieval.RevertOptions{}), "reason")
		require.ErrorIs(t, revert(db, because), retrieval.ErrUnrecorded, "a database without the hook")
		assert.Equal(t, after, dump(t, db), "nothing has happened")

		// Somebody has changed a row since.
		exec(t, pool, "UPDATE things SET b = 'later' WHERE id = 9")
		err = revert(pool, because)
		require.ErrorIs(t, err, retrieval.ErrConflict)
		var conflict *retrieval.ConflictError
		require.ErrorAs(t, err, &conflict)
		assert.Equal(t, []string{"b"}, conflict.Columns)
		forced := because
		forced.Force = true
		require.NoError(t, revert(pool, forced))
		assert.Equal(t, before, dump(t, db))
		event, err := retrieval.For[Thing](pool).Key(2).Last(ctx)
		require.NoError(t, err)
		assert.Equal(t, sink.Insert, event.Op, "deleted, and back with its key")
		assert.Equal(t, "a mistake", event.Reason)
		require.ErrorIs(t, revert(pool, forced), retrieval.ErrConflict, "it is undone already")
	})
}

func TestRevertARowToAnEarlierTime(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Person)(nil))
		ctx := t.Context()
		nick := "N"
		jane := Person{Name: "Jane", Email: "e", Phone: "p", Nick: &nick, Tags: []string{"x"}, Born: start()}
		_, err := pool.NewInsert().Model(&jane).Exec(ctx)
		require.NoError(t, err)
		var was Person
		require.NoError(t, db.NewSelect().Model(&was).Where("id = ?", jane.ID).Scan(ctx))
		since := between()
		for _, query := range []string{
			"UPDATE people SET name = 'J', nick = NULL, tags = NULL", "UPDATE people SET born = NULL", "UPDATE people SET deleted_at = '2026-01-01 00:00:00'",
		} {
			exec(t, pool, query)
		}
		n, err := revert(t, db, retrieval.For[Person](pool).Key(jane.ID).Since(since), because)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		var is Person
		require.NoError(t, db.NewSelect().Model(&is).Where("id = ?", jane.ID).Scan(ctx))
		assert.True(t, was.Born.Equal(is.Born))
		was.Born, is.Born = time.Time{}, time.Time{}
		assert.Equal(t, was, is)
		last, err := retrieval.For[Person](pool).Key(jane.ID).Last(ctx)
		require.NoError(t, err)
		assert.Equal(t, sink.Restore, last.Op)

		exec(t, pool, "UPDATE people SET email = 'other', name = 'K'")
		_, err = revert(t, db, retrieval.For[Person](pool).Key(jane.ID).WhereNew("name", "K"), because)
		require.ErrorIs(t, err, retrieval.ErrMasked)
		skip := because
		skip.SkipMasked = true
		_, err = revert(t, db, retrieval.For[Person](pool).Key(jane.ID).WhereNew("name", "K"), skip)
		require.NoError(t, err)
		require.NoError(t, db.NewSelect().Model(&is).Where("id = ?", jane.ID).Scan(ctx))
		assert.Equal(t, "Jane", is.Name)
		assert.Equal(t, "other", is.Email)

		_, err = revert(t, db, retrieval.For[Person](pool).Limit(1), because)
		require.ErrorContains(t, err, "limit")
		if db.Backend != testdb.Postgres { // SQLite has no TRUNCATE, and MariaDB none that can be recorded
			return
		}
		_, err = pool.NewTruncateTable().Model((*Person)(nil)).Exec(ctx)
		require.NoError(t, err)
		_, err = revert(t, db, retrieval.For[Person](pool), because)
		require.ErrorContains(t, err, "truncate")
	})
}

// Whatever transactions do, undoing the last one gives the table as it was, and
// so does history.
func TestRandomTransactionsAreUndone(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		ctx := t.Context()
		rnd := rand.New(rand.NewPCG(7, 11))
		for round := range 40 {
			before := dump(t, db)
			at := time.Now()
			time.Sleep(time.Millisecond)
			var undone bool
			_ = pool.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				for range 1 + rnd.IntN(6) {
					id, to := rnd.IntN(8), rnd.IntN(8)
					n, err := tx.NewSelect().Model((*Thing)(nil)).Where("id = ?", to).Count(ctx)
					if err != nil {
						return err
					}
					text := fmt.Sprint(rnd.IntN(5))
					switch rnd.IntN(5) {
					case 0, 1:
						if n == 0 {
							_, err = tx.NewRaw("INSERT INTO things (id, a, b) VALUES (?, ?, ?)", to, text, text).Exec(ctx)
						}
					case 2:
						_, err = tx.NewRaw("UPDATE things SET a = ? WHERE id = ?", text, id).Exec(ctx)
					case 3:
						_, err = tx.NewRaw("DELETE FROM things WHERE id = ?", id).Exec(ctx)
					default:
						if n == 0 {
							_, err = tx.NewRaw("UPDATE things SET id = ?, b = ? WHERE id = ?", to, text, id).Exec(ctx)
						}
					}
					if err != nil {
						return err
					}
				}
				for _, move := range [][2]int{{2, 99}, {5, 2}, {99, 5}} { // two rows exchange their keys now and then
					if round%10 != 8 {
						break
					}
					if _, err := tx.NewRaw("UPDATE things SET id = ? WHERE id = ?", move[1], move[0]).Exec(ctx); err != nil {
						return err
					}
				}
				return nil
			})
			if after := dump(t, db); after != before && round%2 == 0 {
				_, err := revert(t, db, retrieval.For[Thing](pool).Since(at), because)
				require.NoError(t, err, "round %d: %s then %s", round, before, after)
				undone = true
			}
			past := ""
			rows := map[string]Thing{}
			for row, err := range retrieval.For[Thing](pool).RowsAsOf(ctx, at) {
				require.NoError(t, err)
				thing, err := row.Model()
				require.NoError(t, err)
				rows[fmt.Sprint(thing.ID)] = thing
			}
			for id := range 8 {
				if r, ok := rows[fmt.Sprint(id)]; ok {
					past += fmt.Sprintf("%d %s %s, ", r.ID, r.A, r.B)
				}
			}
			assert.Equal(t, before, past, "round %d", round)
			if undone {
				require.Equal(t, before, dump(t, db), "round %d", round)
			}
		}
		for f, err := range retrieval.For[Thing](pool).Verify(ctx, retrieval.VerifyOptions{}) {
			require.NoError(t, err)
			t.Error(f)
		}
	})
}
