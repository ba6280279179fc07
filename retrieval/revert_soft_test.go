package retrieval_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

// Leaf is soft-deleted by a column that is not tracked.
type Leaf struct {
	ID        int64     `bun:",pk"`
	Text      string    `bun:",audit"`
	DeletedAt time.Time `bun:",soft_delete,nullzero"`
}

// Where a transaction has deleted a row softly and restored it, nothing is left to
// undo; where it has restored it first, the row was deleted before.
func TestRevertOfSoftDeletionsByAColumnThatIsNotTracked(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Leaf)(nil))
		ctx := t.Context()
		_, err := pool.NewInsert().Model(&[]Leaf{{ID: 1}, {ID: 2}, {ID: 3}}).Exec(ctx)
		require.NoError(t, err)
		remove := func(db bun.IDB, id int) {
			_, err := db.NewDelete().Model((*Leaf)(nil)).Where("id = ?", id).Exec(ctx)
			require.NoError(t, err)
		}
		restore := func(db bun.IDB, id int) {
			_, err := db.NewUpdate().Model((*Leaf)(nil)).Set("deleted_at = NULL").Where("id = ?", id).WhereDeleted().Exec(ctx)
			require.NoError(t, err)
		}
		remove(pool, 2)
		require.NoError(t, pool.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error {
			remove(tx, 1)
			restore(tx, 1)
			restore(tx, 2)
			remove(tx, 2)
			remove(tx, 3)
			return nil
		}))
		last, err := retrieval.For[Leaf](pool).Last(ctx)
		require.NoError(t, err)
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(last.Tx), because)
		require.NoError(t, err)
		var there []int
		require.NoError(t, pool.NewSelect().Model((*Leaf)(nil)).Column("id").Order("id").Scan(ctx, &there))
		require.Equal(t, []int{1, 3}, there)
	})
}

// The mark that a transaction has set is a change to undo like any other: not where
// somebody has taken it away since, unless that doesn't matter.
func TestRevertOfASoftDeletionThatWasUndoneSince(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Leaf)(nil))
		ctx := t.Context()
		_, err := pool.NewInsert().Model(&Leaf{ID: 1, Text: "a"}).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewDelete().Model((*Leaf)(nil)).Where("id = 1").Exec(ctx)
		require.NoError(t, err)
		deleted, err := retrieval.For[Leaf](pool).Last(ctx)
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Leaf)(nil)).Set("deleted_at = NULL").Where("id = 1").WhereDeleted().Exec(ctx)
		require.NoError(t, err)

		_, err = revert(t, db, retrieval.ForAll(pool).Tx(deleted.Tx), because)
		var conflict *retrieval.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, []string{"deleted_at"}, conflict.Columns)

		forced := because
		forced.Force = true
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(deleted.Tx), forced)
		require.NoError(t, err)
		n, err := pool.NewSelect().Model((*Leaf)(nil)).Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n) // of another type in newer versions of Bun
	})
}

// A key has had one row after the other: what became of the first, softly deleted and
// then for good, is not the second one's.
func TestRevertOfRowsThatHadAKeyOneAfterTheOther(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Leaf)(nil))
		ctx := t.Context()
		pool.RegisterModel((*Leaf)(nil))
		insert(t, pool, Leaf{ID: 1, Text: "first"}, Leaf{ID: 3, Text: "third"})
		since := between()
		_, err := pool.NewDelete().Model((*Leaf)(nil)).Where("id = 1").Exec(ctx)
		require.NoError(t, err)
		exec(t, pool, "DELETE FROM leafs WHERE id = 1")
		insert(t, pool, Leaf{ID: 1, Text: "second"})
		// And one that comes and goes while another one is away from its key.
		exec(t, pool, "UPDATE leafs SET id = 4 WHERE id = 3")
		insert(t, pool, Leaf{ID: 3, Text: "guest"})
		exec(t, pool, "DELETE FROM leafs WHERE id = 3")
		exec(t, pool, "UPDATE leafs SET id = 3 WHERE id = 4")
		_, err = revert(t, db, retrieval.For[Leaf](pool).Since(since), because)
		require.NoError(t, err)
		var rows []Leaf
		require.NoError(t, pool.NewSelect().Model(&rows).Order("id").Scan(ctx))
		require.Equal(t, []Leaf{{ID: 1, Text: "first"}, {ID: 3, Text: "third"}}, rows)
	})
}

// A row can be inserted as a deleted one, which its event doesn't say where the column
// isn't tracked.
func TestRevertOfARowThatWasInsertedAsDeleted(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Leaf)(nil))
		ctx := t.Context()
		pool.RegisterModel((*Leaf)(nil))
		insert(t, pool, Leaf{ID: 1, Text: "first"})
		since := between()
		_, err := pool.NewDelete().Model((*Leaf)(nil)).Where("id = 1").Exec(ctx)
		require.NoError(t, err)
		exec(t, pool, "DELETE FROM leafs WHERE id = 1")
		insert(t, pool, Leaf{ID: 1, Text: "second", DeletedAt: since.UTC()}, Leaf{ID: 2, Text: "third", DeletedAt: since.UTC()})
		_, err = revert(t, db, retrieval.For[Leaf](pool).Since(since), because)
		require.NoError(t, err)
		var rows []Leaf
		require.NoError(t, pool.NewSelect().Model(&rows).WhereAllWithDeleted().Order("id").Scan(ctx))
		require.Equal(t, []Leaf{{ID: 1, Text: "first"}}, rows)
	})
}
