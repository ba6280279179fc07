package testdb

import (
	"context"
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
)

const mariaDBEnv = "BUNAUDIT_TEST_MARIADB"

func openMariaDB(t testing.TB) *DB {
	t.Helper()
	server := os.Getenv(mariaDBEnv)
	if server == "" {
		Missing(t, mariaDBEnv+" is not set: give it the data source name of a MariaDB where the tests may create "+
			"databases, as in root:root@tcp(127.0.0.1:3306)/, or run make test, which starts one")
	}
	cfg, err := mysql.ParseDSN(server)
	if err != nil {
		t.Fatalf("testdb: %s is no data source name of go-sql-driver/mysql", mariaDBEnv) // err would show the password
	}
	name := "bunaudit_" + randomHex()
	cfg.DBName = name
	cfg.MultiStatements = true // as on the other databases
	db := &DB{Backend: MariaDB, Schema: name, DSN: cfg.FormatDSN()}
	db.open = func() *bun.DB { return bun.NewDB(openMySQL(t, db.DSN), mysqldialect.New()) }
	db.drop = func(t testing.TB, name string) { dropDatabase(t, server, name) }

	db.drop(t, name)
	onMariaDB(t, server, func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
		return err
	})
	db.DB = db.Open(t) // registered after the drop, so closed before it
	db.kill = func(t testing.TB) {
		t.Helper()
		onMariaDB(t, server, func(ctx context.Context, conn *sql.Conn) error { return killAll(ctx, conn, name) })
	}
	return db
}

// dropDatabase drops a database when the test ends. A transaction that the test
// leaked would hold its locks for ever, so it fails instead of waiting long.
func dropDatabase(t testing.TB, server, name string) {
	t.Cleanup(func() {
		onMariaDB(t, server, func(ctx context.Context, conn *sql.Conn) error {
			if _, err := conn.ExecContext(ctx, "SET lock_wait_timeout = 5"); err != nil {
				return err
			}
			_, err := conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name)
			return err
		})
	})
}

// killAll ends every connection that has chosen the database.
func killAll(ctx context.Context, conn *sql.Conn, database string) error {
	rows, err := conn.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE db = ?", database)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		// One that has ended meanwhile is an error that doesn't matter.
		_, _ = conn.ExecContext(ctx, "KILL CONNECTION ?", id)
	}
	return nil
}

// onMariaDB runs fn on a connection of its own, outside any test's database. It
// has its own context because the test's is done when clean-up runs.
func onMariaDB(t testing.TB, server string, fn func(context.Context, *sql.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	pool := openMySQL(t, server)
	defer func() { _ = pool.Close() }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		t.Fatalf("testdb: connect to the server in %s: %v", mariaDBEnv, err)
	}
	defer func() { _ = conn.Close() }()
	if err := fn(ctx, conn); err != nil {
		t.Errorf("testdb: set up or clean up MariaDB: %v", err)
	}
}

// openMySQL silences the driver, which logs each connection that dies to
// standard error, as it does many times in tests that kill them.
func openMySQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("testdb: %s is no data source name of go-sql-driver/mysql", mariaDBEnv) // err would show the password
	}
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatalf("testdb: open MariaDB: %v", err)
	}
	return sql.OpenDB(connector)
}
