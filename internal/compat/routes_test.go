package compat

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

const (
	postgresEnv  = "BUNAUDIT_TEST_POSTGRES"
	pgbouncerEnv = "BUNAUDIT_TEST_PGBOUNCER"
	requireEnv   = "BUNAUDIT_TEST_REQUIRE" // makes a missing server a failure
)

// route is a way from a program to the database.
type route struct {
	name string
	env  string // the variable with the URL of its server
	open func(t *testing.T, dsn string) *sql.DB
}

func routes() []route {
	return []route{
		{"pgdriver", postgresEnv, openPgdriver},
		{"pgx, cached statements", postgresEnv, openPgx(pgx.QueryExecModeCacheStatement)},
		{"pgx, cached descriptions", postgresEnv, openPgx(pgx.QueryExecModeCacheDescribe)},
		{"pgx, described each time", postgresEnv, openPgx(pgx.QueryExecModeDescribeExec)},
		{"pgx, extended protocol", postgresEnv, openPgx(pgx.QueryExecModeExec)},
		{"pgx, simple protocol", postgresEnv, openPgx(pgx.QueryExecModeSimpleProtocol)},
		// The other modes of pgx want a statement to stay on its connection, which PgBouncer
		// gives since 1.21 only.
		{"pgdriver by PgBouncer", pgbouncerEnv, openPgdriver},
		{"pgx by PgBouncer, extended protocol", pgbouncerEnv, openPgx(pgx.QueryExecModeExec)},
		{"pgx by PgBouncer, simple protocol", pgbouncerEnv, openPgx(pgx.QueryExecModeSimpleProtocol)},
	}
}

func openPgx(mode pgx.QueryExecMode) func(t *testing.T, dsn string) *sql.DB {
	return func(t *testing.T, dsn string) *sql.DB {
		t.Helper()
		config, err := pgx.ParseConfig(dsn)
		require.NoError(t, err)
		config.DefaultQueryExecMode = mode
		return stdlib.OpenDB(*config)
	}
}

func openPgdriver(_ *testing.T, dsn string) *sql.DB {
	return sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(dsn)))
}

// What every event says.
var (
	actor = sink.Actor{ID: "7", Name: "O'Neill \\ 💾"}
	now   = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
)

// world is a database of its own, reached by one route.
type world struct {
	db    *bun.DB // with the hook
	plain *bun.DB // the same way without it
	admin *bun.DB // straight, without it
	hook  *bunaudit.Hook
}

// onEachRoute runs body in a new database for each route. A database and not a
// schema: a pooler passes no search path on.
func onEachRoute(t *testing.T, body func(t *testing.T, w *world)) {
	t.Helper()
	for _, r := range routes() {
		t.Run(r.name, func(t *testing.T) { body(t, newWorld(t, r)) })
	}
}

func newWorld(t *testing.T, r route) *world {
	t.Helper()
	name := "bunaudit_compat_" + strings.ToLower(rand.Text()[:12])
	server := bun.NewDB(openPgdriver(t, urlOf(t, postgresEnv, "")), pgdialect.New())
	t.Cleanup(func() { _ = server.Close() })
	_, err := server.ExecContext(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		// A pooler keeps its connections open. FORCE is PostgreSQL 13's.
		_, err := server.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
	})
	open := func(pool *sql.DB) *bun.DB {
		db := bun.NewDB(pool, pgdialect.New())
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	w := &world{
		admin: open(openPgdriver(t, urlOf(t, postgresEnv, name))),
		plain: open(r.open(t, urlOf(t, r.env, name))),
		db:    open(r.open(t, urlOf(t, r.env, name))),
	}
	events := sqlsink.New()
	require.NoError(t, events.CreateTable(t.Context(), w.db))
	_, err = w.admin.ExecContext(t.Context(), createThings)
	require.NoError(t, err)
	w.hook = bunaudit.New(bunaudit.Config{
		Sink:   events,
		Models: []any{(*thing)(nil)},
		Actor:  func(context.Context) (sink.Actor, error) { return actor, nil },
		Now:    func() time.Time { return now },
		// Of what comes again outside transactions; by PgBouncer the first one is
		// missing where it is wanted, and no more are prepared.
		Prepare: true,
	})
	w.db.AddQueryHook(w.hook)
	require.NoError(t, w.hook.Check(t.Context()))
	return w
}

// urlOf returns the URL in the variable env, of the database name, or skips the
// test where there is none.
func urlOf(t *testing.T, env, name string) string {
	t.Helper()
	dsn := os.Getenv(env)
	if dsn == "" {
		sentence := env + " is not set: run make test, which starts what it names, or give it the URL of a PostgreSQL, or of a PgBouncer before it"
		if os.Getenv(requireEnv) != "" {
			t.Fatalf("%s (%s is set, so this is a failure and not a skip)", sentence, requireEnv)
		}
		t.Skip(sentence)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("%s is not a URL", env) // err would show the password
	}
	if name != "" {
		u.Path = "/" + name
	}
	return u.String()
}
