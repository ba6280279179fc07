package retrieval_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

type named struct {
	ID   int64 `bun:",pk"`
	Page string
}

type Page struct {
	bun.BaseModel `bun:"table:page,audit"`
	named
}

type Locked struct {
	bun.BaseModel `bun:"table:locked,audit"`
	named
}

type Images struct {
	bun.BaseModel `bun:"table:images,audit"`
	named
}

type Logged struct {
	bun.BaseModel `bun:"table:logged,audit"`
	named
}

type NewKeys struct {
	bun.BaseModel `bun:"table:new_keys,audit"`
	named
}

type T struct {
	bun.BaseModel `bun:"table:t,audit"`
	named
}

// Names that queries of the library use, or may be tempted to, are good for tables.
// Where each batch has a row that is held, every part of the query is used.
func TestTablesMayHaveAnyName(t *testing.T) {
	t.Run("page", anyName[Page])
	t.Run("locked", anyName[Locked])
	t.Run("images", anyName[Images])
	t.Run("logged", anyName[Logged])
	t.Run("new_keys", anyName[NewKeys])
	t.Run("t", anyName[T])
}

func anyName[M any](t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		const events = "old_keys" // one of them, too
		store := sqlsink.New(sqlsink.Table(events))
		require.NoError(t, store.CreateTable(t.Context(), db))
		_, err := db.NewCreateTable().Model((*M)(nil)).Exec(t.Context())
		require.NoError(t, err)
		pool := db.Open(t)
		pool.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: store, Models: []any{(*M)(nil)}}))
		table := bun.Name(db.Dialect().Tables().Get(reflect.TypeFor[*M]()).Name)
		exec(t, db, "INSERT INTO ? (id, page) VALUES (1, 'a'), (2, 'b'), (3, 'c')", table) // older than the audit

		all := func() *retrieval.Query[M] { return retrieval.For[M](pool).From(events) }
		opts := retrieval.BaselineOptions{BatchSize: 2}
		if db.Backend != testdb.SQLite { // where nobody can hold a row
			holder, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = holder.NewRaw("UPDATE ? SET page = 'held' WHERE id = 2", table).Exec(t.Context())
			require.NoError(t, err)
			batches := 0
			opts.Progress = func(retrieval.Progress) {
				if batches++; batches == 2 {
					require.NoError(t, holder.Commit())
				}
			}
		}
		n, err := all().Baseline(t.Context(), opts)
		require.NoError(t, err)
		assert.Equal(t, int64(3), n)
		exec(t, pool, "UPDATE ? SET page = 'd' WHERE id = 1", table)
		exec(t, pool, "DELETE FROM ? WHERE id = 3", table)
		for f, err := range all().Verify(t.Context(), retrieval.VerifyOptions{}) {
			require.NoError(t, err)
			assert.Fail(t, "a row differs", f)
		}
		last, err := all().Last(t.Context())
		require.NoError(t, err)
		_, err = all().Tx(last.Tx).Revert(t.Context(), because)
		require.NoError(t, err)
		count, err := db.NewSelect().Model((*M)(nil)).Count(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 3, count)
	})
}
