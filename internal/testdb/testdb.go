package testdb

import (
	"os"
	"testing"

	"github.com/uptrace/bun"
)

// The names of the databases: the names of the subtests that [Run] makes, and
// the values of [DB.Backend].
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
	MariaDB  = "mariadb"
)

// requireEnv makes a missing server a failure instead of a skip.
const requireEnv = "BUNAUDIT_TEST_REQUIRE"

// backend is a kind of database. A further one is a file with its open function
// and a line in backends.
type backend struct {
	name string
	// open gives an empty database to the test and cleans up after it. It ends
	// the test where that isn't possible.
	open func(t testing.TB) *DB
}

func backends() []backend {
	return []backend{
		{SQLite, openSQLite},
		{Postgres, openPostgres},
		{MariaDB, openMariaDB},
	}
}

// Run runs body as a subtest on each database, with a new, empty one each
// time.
func Run(t *testing.T, body func(t *testing.T, db *DB)) {
	t.Helper()
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) {
			skipElsewhere(t, b.name)
			body(t, b.open(t))
		})
	}
}

// New returns a new, empty database of the kind name, for tests and benchmarks
// that concern one kind only. It skips the test under the same conditions as
// [Run] and fails it where name is unknown.
func New(t testing.TB, name string) *DB {
	t.Helper()
	for _, b := range backends() {
		if b.name == name {
			return b.open(t)
		}
	}
	t.Fatalf("testdb: no database is called %q", name)
	return nil
}

// DB is a database that belongs to one test. It is a [bun.IDB].
type DB struct {
	// DB is a pool without hooks and without a limit of connections.
	*bun.DB

	// Backend is the kind of database: SQLite, Postgres or MariaDB.
	Backend string

	// Variant is for test bodies that run in more than one way on a kind of
	// database; it means what the test says.
	Variant string

	// DSN opens the same database through the driver that its kind uses here,
	// sqliteshim, pgdriver or go-sql-driver/mysql. The PostgreSQL one names the
	// test's schema as the search path of each connection.
	DSN string

	// Schema is the test's own schema, which MariaDB calls a database, or ""
	// where the kind of database has none.
	Schema string

	open func() *bun.DB
	kill func(t testing.TB)
	drop func(t testing.TB, schema string) // when the test ends
}

// NewSchema returns the name of a schema that doesn't exist yet and that is
// dropped, where the test has created it, when the test ends. It skips the test
// on databases without schemas.
func (db *DB) NewSchema(t testing.TB) string {
	t.Helper()
	if db.Schema == "" {
		t.Skipf("%s has no schemas", db.Backend)
	}
	name := "bunaudit_" + randomHex()
	db.drop(t, name)
	return name
}

// Open returns a second pool on the same database: another program's view of
// it. It is closed when the test ends.
func (db *DB) Open(t testing.TB) *bun.DB { return db.OpenWith(t, 0) }

// maxIdle is as many connections as most tests have in use at once. By default
// database/sql keeps 2, so that workers would connect for each statement.
const maxIdle = 10

// OpenWith is like [DB.Open] with at most maxOpenConns connections; 0 means no
// limit.
func (db *DB) OpenWith(t testing.TB, maxOpenConns int) *bun.DB {
	t.Helper()
	pool := db.open()
	pool.SetMaxOpenConns(maxOpenConns)
	pool.SetMaxIdleConns(maxIdle)
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Errorf("testdb: close pool: %v", err)
		}
	})
	return pool
}

// KillConnections ends the connections of every pool of this database from the
// server's side, as a restart or a network would. It skips the test where the
// database has no server.
func (db *DB) KillConnections(t testing.TB) {
	t.Helper()
	if db.kill == nil {
		t.Skipf("%s runs inside the process: there is no connection to kill", db.Backend)
	}
	db.kill(t)
}

// Missing ends a test whose server is not there, which the sentence says: it skips
// it, or fails it where BUNAUDIT_TEST_REQUIRE is set to anything.
func Missing(t testing.TB, sentence string) {
	t.Helper()
	if os.Getenv(requireEnv) != "" {
		t.Fatalf("%s (%s is set, so this is a failure and not a skip)", sentence, requireEnv)
	}
	t.Skip(sentence)
}
