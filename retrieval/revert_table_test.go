package retrieval_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// Loud has columns that the database computes.
type Loud struct {
	bun.BaseModel `bun:"table:loud,audit"`

	ID    int64 `bun:",pk"`
	Name  string
	Upper string `bun:",nullzero"`
	Lower string `bun:",nullzero,audit:redact"`
}

func TestGeneratedColumnsFollowWhatIsUndone(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		ctx, pool := t.Context(), hooked(t, db)
		_, err := db.ExecContext(ctx, "CREATE TABLE loud (id bigint PRIMARY KEY, name varchar(20), "+
			"upper varchar(20) GENERATED ALWAYS AS (upper(name)) STORED, lower varchar(20) GENERATED ALWAYS AS (lower(name)) STORED)")
		require.NoError(t, err)
		_, err = pool.NewInsert().Model(&Loud{ID: 1, Name: "Jane"}).Column("id", "name").Exec(ctx)
		require.NoError(t, err)
		exec(t, pool, "UPDATE loud SET name = 'Joan'")
		exec(t, pool, "DELETE FROM loud")
		for range 2 { // undelete it, then take the update back
			op := sink.Delete
			if n, err := pool.NewSelect().Model((*Loud)(nil)).Count(ctx); err == nil && n > 0 {
				op = sink.Update
			}
			n, err := revert(t, db, retrieval.For[Loud](pool).Op(op), retrieval.RevertOptions{Reason: "typo"})
			require.NoError(t, err)
			assert.Equal(t, 1, n)
		}
		var row Loud
		require.NoError(t, db.NewSelect().Model(&row).Scan(ctx))
		assert.Equal(t, Loud{ID: 1, Name: "Jane", Upper: "JANE", Lower: "jane"}, row)
		findings, err := retrieval.Collect(retrieval.For[Loud](pool).Verify(ctx, retrieval.VerifyOptions{}))
		require.NoError(t, err)
		assert.Empty(t, findings)
	})
}

// What a truncation has ended doesn't come back by undoing the row's own events.
func TestARowIsNotRevertedAcrossATruncation(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	ctx, pool := t.Context(), audited(t, db, (*Thing)(nil))
	pool.RegisterModel((*Thing)(nil))
	exec(t, pool, "INSERT INTO things (id, a, b) VALUES (1, 'x', 'y')")
	since := between()
	_, err := pool.NewTruncateTable().Model((*Thing)(nil)).Exec(ctx)
	require.NoError(t, err)
	exec(t, pool, "INSERT INTO things (id, a, b) VALUES (1, 'z', 'z')")
	exec(t, pool, "INSERT INTO things (id, a, b) VALUES (2, 'z', 'z')")
	_, err = revert(t, db, retrieval.For[Thing](pool).Key(1).Since(since), because)
	require.ErrorContains(t, err, "truncate")
	_, err = revert(t, db, retrieval.For[Thing](pool).Key(1).Op(sink.Insert).Since(since), because)
	require.NoError(t, err, "only the insert was asked for")
	n, err := revert(t, db, retrieval.For[Thing](pool).Key(2), because)
	require.NoError(t, err, "it wasn't there before")
	assert.Equal(t, 1, n)
}
