package bunconn_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/internal/bunconn"
)

type model struct {
	ID int64 `bun:",pk"`
}

// custom is a connection of a type that nobody knows.
type custom struct{ *sql.DB }

func open(t *testing.T, opts ...bun.DBOption) *bun.DB {
	t.Helper()
	sqldb, err := sql.Open(sqliteshim.ShimName, ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { _ = sqldb.Close() })
	return bun.NewDB(sqldb, sqlitedialect.New(), opts...)
}

// builders are all builders that may write, on some connection.
func builders(db bun.IDB) map[string]bunconn.Query {
	return map[string]bunconn.Query{
		"select":   db.NewSelect().Model((*model)(nil)),
		"insert":   db.NewInsert().Model((*model)(nil)),
		"update":   db.NewUpdate().Model((*model)(nil)),
		"delete":   db.NewDelete().Model((*model)(nil)),
		"raw":      db.NewRaw("SELECT 1"),
		"truncate": db.NewTruncateTable().Model((*model)(nil)),
	}
}

func TestTheConnectionOfEveryBuilderIsRead(t *testing.T) {
	ctx := t.Context()
	db := open(t)
	for name, q := range builders(db) {
		conn, err := bunconn.Get(q)
		require.NoError(t, err, name)
		require.Nil(t, conn, name)
	}
	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	for name, q := range builders(tx) {
		conn, err := bunconn.Get(q)
		require.NoError(t, err, name)
		require.Same(t, tx.Tx, conn, name)
	}
	require.NoError(t, tx.Rollback())
	held, err := db.Conn(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, held.Close()) }()
	for name, q := range builders(held) {
		conn, err := bunconn.Get(q)
		require.NoError(t, err, name)
		require.Same(t, held.Conn, conn, name)
	}
}

func TestTheConnectionOfEveryBuilderIsSetAndReadBack(t *testing.T) {
	db := open(t)
	mine := &custom{db.DB}
	for name, q := range builders(db) {
		require.True(t, bunconn.Set(q, mine), name)
		conn, err := bunconn.Get(q)
		require.NoError(t, err, name)
		require.Same(t, mine, conn, name)
		require.True(t, bunconn.Set(q, nil), name)
		conn, err = bunconn.Get(q)
		require.NoError(t, err, name)
		require.Nil(t, conn, name)
	}
	require.False(t, bunconn.Set(db.NewCreateTable(), mine))
}

func TestPointersToBunsWrappersAreUnwrapped(t *testing.T) {
	db := open(t)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	conn, err := bunconn.Get(db.NewUpdate().Conn(&tx))
	require.NoError(t, err)
	require.Same(t, tx.Tx, conn)
}

func TestWhatIsNoPointerIsReadAsWell(t *testing.T) {
	db := open(t)
	conn, err := bunconn.Get(db.NewUpdate().Conn(custom{db.DB}))
	require.NoError(t, err)
	require.Equal(t, custom{db.DB}, conn)
}

// queries keeps the queries that the hooks are told of.
type queries struct{ seen []bun.Query }

func (h *queries) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	h.seen = append(h.seen, event.IQuery)
	return ctx
}

func (h *queries) AfterQuery(context.Context, *bun.QueryEvent) {}

func TestWhatCountAndExistsTellTheHooksIsTheirSelect(t *testing.T) {
	db := open(t)
	db.SetMaxOpenConns(1) // the database is the connection's own
	_, err := db.NewCreateTable().Model((*model)(nil)).Exec(t.Context())
	require.NoError(t, err)
	var hook queries
	db.AddQueryHook(&hook)
	mine := &custom{db.DB}
	_, err = db.NewSelect().Model((*model)(nil)).Conn(mine).Count(t.Context())
	require.NoError(t, err)
	_, err = db.NewSelect().Model((*model)(nil)).Conn(mine).Exists(t.Context())
	require.NoError(t, err)
	require.Len(t, hook.seen, 2)
	for _, seen := range hook.seen {
		q, ok := seen.(bunconn.Query)
		require.True(t, ok, "%T", seen)
		conn, err := bunconn.Get(q)
		require.NoError(t, err)
		require.Same(t, mine, conn)
		require.True(t, bunconn.Set(q, nil))
		conn, err = bunconn.Get(q)
		require.NoError(t, err)
		require.Nil(t, conn)
	}
}

// resolver embeds the interface, whose method differs between versions of Bun.
type resolver struct{ bun.ConnResolver }

func TestAResolverOfTheUsersOwnIsSeen(t *testing.T) {
	_, elsewhere := bunconn.WritesElsewhere(open(t))
	require.False(t, elsewhere)
	name, elsewhere := bunconn.WritesElsewhere(open(t, bun.WithConnResolver(resolver{})))
	require.True(t, elsewhere)
	require.Contains(t, name, "resolver")
}

func TestTheHooksOfADatabaseAreRead(t *testing.T) {
	db := open(t)
	require.Empty(t, bunconn.Hooks(db))
	first, second := new(queries), new(queries)
	db.AddQueryHook(first)
	db.AddQueryHook(second)
	hooks := bunconn.Hooks(db)
	require.Equal(t, []bun.QueryHook{first, second}, hooks)
	require.Same(t, second, hooks[1])
}
