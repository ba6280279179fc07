package testdb

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"
)

func openSQLite(t testing.TB) *DB {
	t.Helper()
	db := &DB{Backend: SQLite, DSN: sqliteDSN(filepath.Join(t.TempDir(), "test.db"))}
	db.open = func() *bun.DB {
		pool, err := sql.Open(sqliteshim.ShimName, db.DSN)
		if err != nil {
			t.Fatalf("testdb: open SQLite: %v", err)
		}
		return bun.NewDB(pool, sqlitedialect.New())
	}
	db.DB = db.Open(t)
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatalf("testdb: open SQLite: %v", err)
	}
	return db
}

// sqliteDSN sets each option twice because sqliteshim is one of two drivers,
// each with names of its own, and each ignores the other's.
func sqliteDSN(path string) string {
	q := url.Values{
		// modernc.org/sqlite runs these in this order: the timeout comes first,
		// or switching a busy file to WAL fails at once.
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)", "synchronous(NORMAL)",
			"recursive_triggers(1)"}, // or none sees what REPLACE deletes

		"_busy_timeout": {"10000"},
		"_journal_mode": {"WAL"},
		"_foreign_keys": {"1"},
		"_synchronous":  {"NORMAL"},

		"_recursive_triggers": {"1"},
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}
