package retrieval_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

type reverts interface {
	Revert(context.Context, retrieval.RevertOptions) (int, error)
}

// revert undoes what the query has, after a dry run, which has to say the same
// and to leave everything as it is.
func revert(t *testing.T, db bun.IDB, q reverts, opts retrieval.RevertOptions) (int, error) {
	t.Helper()
	events := func() int {
		n, err := retrieval.ForAll(db).Count(t.Context())
		require.NoError(t, err)
		return n
	}
	dry := opts
	dry.DryRun = true
	before := events()
	said, saidErr := q.Revert(t.Context(), dry)
	assert.Equal(t, before, events(), "a dry run records nothing")
	n, err := q.Revert(t.Context(), opts)
	assert.Equal(t, n, said)
	if err == nil {
		assert.NoError(t, saidErr)
	} else {
		assert.EqualError(t, saidErr, err.Error())
	}
	return n, err
}

func insert[M any](t *testing.T, db bun.IDB, rows ...M) {
	t.Helper()
	_, err := db.NewInsert().Model(&rows).Exec(t.Context())
	require.NoError(t, err)
}

// transact runs statements in one transaction, and returns its ID.
func transact(t *testing.T, pool *bun.DB, statements ...string) string {
	t.Helper()
	err := pool.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		for _, query := range statements {
			if _, err := tx.NewRaw(query).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	last, err := retrieval.ForAll(pool).NewestFirst().Limit(1).All(t.Context())
	require.NoError(t, err)
	return last[0].Tx
}

// Keys that rows have got from each other go back, whichever of them was changed
// last.
func TestRevertOfKeysThatOtherRowsHaveGot(t *testing.T) {
	const things = "INSERT INTO things (id, a, b) VALUES "
	for name, statements := range map[string][]string{
		"a new row has it":             {"UPDATE things SET id = 9 WHERE id = 1", things + "(1, 'new', '')", "UPDATE things SET a = 'z' WHERE id = 9"},
		"a new row had it":             {"UPDATE things SET id = 9 WHERE id = 1", things + "(1, 'new', '')", "DELETE FROM things WHERE id = 1", "UPDATE things SET a = 'z' WHERE id = 9"},
		"it was that of a deleted row": {"DELETE FROM things WHERE id = 1", "UPDATE things SET id = 1 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 3"},
		"a row moves on": {"UPDATE things SET id = 9 WHERE id = 3", "UPDATE things SET id = 3 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 1",
			"UPDATE things SET a = 'x' WHERE id = 3", "UPDATE things SET a = 'y' WHERE id = 9"},
	} {
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				pool := audited(t, db, (*Thing)(nil))
				insert(t, pool, Thing{ID: 1, A: "a", B: "b"}, Thing{ID: 2, A: "c", B: "d"}, Thing{ID: 3, A: "e", B: "f"})
				before := dump(t, db)
				tx := transact(t, pool, statements...)
				_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
				require.NoError(t, err)
				assert.Equal(t, before, dump(t, db))
			})
		})
	}
}

// Where somebody else has the key that a row would get back, that is a conflict,
// and not the database's error.
func TestRevertOfAKeyThatSomebodyHasTaken(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		insert(t, pool, Thing{ID: 1, A: "a", B: "b"}, Thing{ID: 2, A: "c", B: "d"})
		tx := transact(t, pool, "UPDATE things SET id = 9 WHERE id = 1", "DELETE FROM things WHERE id = 2")
		exec(t, pool, "INSERT INTO things (id, a, b) VALUES (1, 'taken', '')")
		_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		var conflict *retrieval.ConflictError
		require.ErrorAs(t, err, &conflict)
		assert.Equal(t, key(1), conflict.Key)
		assert.Nil(t, conflict.Columns)

		exec(t, pool, "DELETE FROM things WHERE id = 1")
		exec(t, pool, "INSERT INTO things (id, a, b) VALUES (2, 'taken', '')")
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.ErrorAs(t, err, &conflict)
		assert.Equal(t, key(2), conflict.Key)
		forced := because
		forced.Force = true
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(tx), forced)
		require.ErrorIs(t, err, retrieval.ErrConflict, "a row that is there is nothing to force")
		exec(t, pool, "DELETE FROM things WHERE id = 9")
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.ErrorAs(t, err, &conflict)
		assert.Nil(t, conflict.Columns, "the row is gone")
	})
}

// A dry run waits for nobody and holds nothing: neither a row that somebody else
// has changed keeps it, nor does it keep somebody from changing one.
func TestADryRunOfRevertLocksNothing(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		insert(t, pool, Thing{ID: 1, A: "a", B: "b"})
		exec(t, pool, "UPDATE things SET a = 'x' WHERE id = 1")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		dry := because
		dry.DryRun = true
		last, err := retrieval.For[Thing](pool).Last(ctx)
		require.NoError(t, err)
		again := func(db bun.IDB) {
			t.Helper()
			n, err := retrieval.ForAll(db).Tx(last.Tx).Revert(ctx, dry)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
		}
		other, err := db.Open(t).BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = other.ExecContext(ctx, "UPDATE things SET b = 'held' WHERE id = 1")
		require.NoError(t, err)
		again(pool)
		require.NoError(t, other.Rollback())

		if db.Backend == testdb.SQLite { // where whoever has read a moment can't write after another has
			return
		}
		tx, err := pool.BeginTx(ctx, nil)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		again(tx)
		_, err = db.ExecContext(ctx, "UPDATE things SET b = 'free' WHERE id = 1")
		require.NoError(t, err)
	})
}

// What the dry run counts are rows that would change: not one that was inserted
// and deleted, nor one that has its old values again.
func TestRevertCountsRowsThatChange(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		insert(t, pool, Thing{ID: 1, A: "a", B: "b"}, Thing{ID: 2, A: "c", B: "d"})
		tx := transact(t, pool, "INSERT INTO things (id, a, b) VALUES (3, 'e', 'f')", "DELETE FROM things WHERE id = 3",
			"UPDATE things SET a = 'x' WHERE id = 1", "UPDATE things SET a = 'a' WHERE id = 1", "UPDATE things SET a = 'y' WHERE id = 2")
		n, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		last, err := retrieval.For[Thing](pool).Last(t.Context())
		require.NoError(t, err)
		assert.Equal(t, sink.Update, last.Op)
		assert.Equal(t, key(2), last.Key)
	})
}
