package testdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"
)

const postgresEnv = "BUNAUDIT_TEST_POSTGRES"

func openPostgres(t testing.TB) *DB {
	t.Helper()
	server := os.Getenv(postgresEnv)
	if server == "" {
		Missing(t, postgresEnv+" is not set: give it the URL of a PostgreSQL where the tests may create "+
			"schemas, as in postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable, or run make test, which starts one")
	}
	schema := "bunaudit_" + randomHex()
	db := &DB{Backend: Postgres, Schema: schema, DSN: postgresDSN(t, server, schema)}
	db.drop = func(t testing.TB, name string) { dropSchema(t, server, name) }
	db.open = func() *bun.DB {
		return bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(db.DSN))), pgdialect.New())
	}

	createSchema(t, server, schema)
	db.DB = db.Open(t) // registered after the drop, so closed before it
	db.kill = func(t testing.TB) {
		t.Helper()
		onServer(t, server, func(ctx context.Context, conn *sql.Conn) error {
			_, err := conn.ExecContext(ctx,
				"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", schema)
			return err
		})
	}
	return db
}

func createSchema(t testing.TB, server, schema string) {
	t.Helper()
	dropSchema(t, server, schema)
	onServer(t, server, func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "CREATE SCHEMA "+schema)
		return err
	})
}

// dropSchema drops a schema when the test ends. A transaction that the test
// leaked would hold its locks for ever, so it fails instead of waiting long.
func dropSchema(t testing.TB, server, schema string) {
	t.Cleanup(func() {
		onServer(t, server, func(ctx context.Context, conn *sql.Conn) error {
			if _, err := conn.ExecContext(ctx, "SET lock_timeout = '5s'"); err != nil {
				return err
			}
			_, err := conn.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
			return err
		})
	})
}

// postgresPools has a pool for each server, kept for the whole test program: a
// new connection costs more than to create and drop a schema on it.
var postgresPools sync.Map

// onServer runs fn on a connection of its own, outside any test schema. It has
// its own context because the test's is done when clean-up runs.
func onServer(t testing.TB, server string, fn func(context.Context, *sql.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := connect(ctx, server)
	if err != nil {
		t.Fatalf("testdb: connect to the server in %s: %v", postgresEnv, err)
	}
	defer func() { _ = conn.Close() }()
	if err := fn(ctx, conn); err != nil {
		t.Errorf("testdb: set up or clean up PostgreSQL: %v", err)
	}
}

// connect returns a connection that answers: the test may have restarted the
// server since the last one was used.
func connect(ctx context.Context, server string) (*sql.Conn, error) {
	pool, ok := postgresPools.Load(server)
	if !ok {
		pool, _ = postgresPools.LoadOrStore(server, sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(server))))
	}
	var err error
	for range 3 { // it keeps two
		var conn *sql.Conn
		if conn, err = pool.(*sql.DB).Conn(ctx); err != nil {
			return nil, err
		}
		if err = conn.PingContext(ctx); err == nil {
			return conn, nil
		}
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // or it would be kept
	}
	return nil, err
}

// postgresDSN names the schema twice: as the search path, which pgdriver sets
// on every connection, and as the application, by which connections are found.
func postgresDSN(t testing.TB, server, schema string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("testdb: %s is not a URL", postgresEnv) // err would show the password
	}
	q := u.Query()
	q.Set("search_path", schema)
	q.Set("application_name", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func randomHex() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}
