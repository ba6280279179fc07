package eventrow

import (
	"fmt"
	"strings"

	"github.com/uptrace/bun/dialect"
)

// The DDL of each dialect, with {table} for the quoted name. docs/schema.md
// shows the same text, and a test compares them.
const (
	postgresTable = `CREATE TABLE IF NOT EXISTS {table} (
  "seq"          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "id"           uuid        NOT NULL UNIQUE,
  "time"         timestamptz NOT NULL,
  "op"           text        NOT NULL,
  "statement"    text,
  "table_name"   text        NOT NULL,
  "model"        text,
  "key"          jsonb,
  "old_key"      jsonb,
  "changes"      jsonb,
  "actor_id"     text,
  "actor_type"   text,
  "actor_name"   text,
  "on_behalf_of" text,
  "reason"       text,
  "meta"         jsonb,
  "tx"           uuid        NOT NULL,
  "soft"         boolean     NOT NULL DEFAULT false,
  "trace_id"     text,
  "span_id"      text
)`

	// AUTOINCREMENT, because SQLite otherwise gives the number of a deleted last
	// row to the next one.
	sqliteTable = `CREATE TABLE IF NOT EXISTS {table} (
  "seq"          INTEGER PRIMARY KEY AUTOINCREMENT,
  "id"           TEXT    NOT NULL UNIQUE,
  "time"         TEXT    NOT NULL,
  "op"           TEXT    NOT NULL,
  "statement"    TEXT,
  "table_name"   TEXT    NOT NULL,
  "model"        TEXT,
  "key"          TEXT,
  "old_key"      TEXT,
  "changes"      TEXT,
  "actor_id"     TEXT,
  "actor_type"   TEXT,
  "actor_name"   TEXT,
  "on_behalf_of" TEXT,
  "reason"       TEXT,
  "meta"         TEXT,
  "tx"           TEXT    NOT NULL,
  "soft"         BOOLEAN NOT NULL DEFAULT FALSE,
  "trace_id"     TEXT,
  "span_id"      TEXT
)`

	// The indexes are a part of the statement, since MySQL can't ask whether one
	// is there. Every text has a type that holds it whatever its length, because a
	// server that isn't strict would cut it without an error. No index can have such a
	// text as a whole, and one of a prefix is of no use for an order; so the database
	// keeps the heads of some, see [Head], in columns that SELECT * doesn't show. The
	// time is text because a datetime has no zone: what a driver makes of it depends
	// on its settings. The collation, whose name only comments can choose by server,
	// is the one that compares byte by byte without ignoring spaces at the end.
	mysqlTable = `CREATE TABLE IF NOT EXISTS {table} (
  "seq"          bigint   NOT NULL AUTO_INCREMENT PRIMARY KEY,
  "id"           char(36) NOT NULL UNIQUE,
  "time"         char(27) NOT NULL,
  "op"           longtext NOT NULL,
  "statement"    longtext,
  "table_name"   longtext NOT NULL,
  "model"        longtext,
  "key"          longtext,
  "old_key"      longtext,
  "changes"      longtext,
  "actor_id"     longtext,
  "actor_type"   longtext,
  "actor_name"   longtext,
  "on_behalf_of" longtext,
  "reason"       longtext,
  "meta"         longtext,
  "tx"           char(36) NOT NULL,
  "soft"         boolean  NOT NULL DEFAULT false,
  "trace_id"     longtext,
  "span_id"      longtext,
  "table_head"   varchar(64)  GENERATED ALWAYS AS (left("table_name", 64)) STORED {invisible},
  "key_head"     varchar(255) GENERATED ALWAYS AS (left("key", 255)) STORED {invisible},
  "old_key_head" varchar(255) GENERATED ALWAYS AS (left("old_key", 255)) STORED {invisible},
  "moved_head"   varchar(255) GENERATED ALWAYS AS (if("old_key" IS NULL, NULL, left("key", 255))) STORED {invisible},
  "actor_head"   varchar(64)  GENERATED ALWAYS AS (left("actor_id", 64)) STORED {invisible},
  INDEX {key_idx} ("table_head", "key_head", "seq"),
  INDEX {old_key_idx} ("table_head", "old_key_head", "seq"),
  INDEX {moved_idx} ("table_head", "moved_head", "seq"),
  INDEX {actor_idx} ("actor_head", "seq"),
  INDEX {time_idx} ("time"),
  INDEX {tx_idx} ("tx")
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=/*!80017 utf8mb4_0900_bin *//*M!100200 utf8mb4_nopad_bin */`
)

// The lengths in characters of the heads of texts that the table has on MySQL.
const (
	TableHead = 64
	KeyHead   = 255
	ActorHead = 64
)

// Head returns the first n characters of a text, as MySQL's left does.
func Head(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// indexes are those of PostgreSQL and SQLite, by the end of their names. MySQL has
// the same ones of heads. moved has the few events that changed a key, by the one
// that it became.
func indexes() []struct{ suffix, columns string } {
	return []struct{ suffix, columns string }{
		{"key", `("table_name", "key", "seq")`},
		{"old_key", `("table_name", "old_key", "seq") WHERE "old_key" IS NOT NULL`},
		{"moved", `("table_name", "key", "seq") WHERE "old_key" IS NOT NULL`},
		{"actor", `("actor_id", "seq")`},
		{"time", `("time")`},
		{"tx", `("tx")`},
	}
}

// Create returns the statements that create what is missing of the schema
// (PostgreSQL, MySQL), the table and its indexes.
func (t Table) Create(d Dialect) ([]string, error) {
	var stmts []string
	switch d.Name() {
	case dialect.PG:
		if t.Schema != "" {
			stmts = append(stmts, "CREATE SCHEMA IF NOT EXISTS "+quote(d, t.Schema))
		}
		stmts = append(stmts, strings.Replace(postgresTable, "{table}", t.Quoted(d), 1))
		for _, x := range t.Indexes(d) {
			stmts = append(stmts, x.Create)
		}
	case dialect.SQLite:
		stmts = append(stmts, strings.Replace(sqliteTable, "{table}", t.Quoted(d), 1))
		for _, x := range indexes() {
			// SQLite has the schema before the index's name, and only there.
			stmts = append(stmts, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s %s",
				Table{t.Schema, t.index(x.suffix)}.Quoted(d), quote(d, t.Name), x.columns))
		}
	case dialect.MySQL:
		if t.Schema != "" {
			stmts = append(stmts, "CREATE SCHEMA IF NOT EXISTS "+quote(d, t.Schema))
		}
		stmts = append(stmts, t.createMySQL(d))
	default:
		return nil, unsupported(d)
	}
	return stmts, nil
}

// Index is an index of the table, beside those that its columns declare.
type Index struct{ Name, Create string }

// Indexes returns them for PostgreSQL, where an index is always in the schema of
// its table.
func (t Table) Indexes(d Dialect) []Index {
	var all []Index
	for _, x := range indexes() {
		name := t.index(x.suffix)
		all = append(all, Index{name, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s %s", quote(d, name), t.Quoted(d), x.columns)})
	}
	return all
}

func (t Table) createMySQL(d Dialect) string {
	names := []string{`"`, "`", "{table}", t.Quoted(d), "{invisible}", "/*!80023 INVISIBLE *//*M!100303 INVISIBLE */"}
	for _, x := range indexes() {
		names = append(names, "{"+x.suffix+"_idx}", quote(d, t.index(x.suffix)))
	}
	return strings.NewReplacer(names...).Replace(mysqlTable)
}

// Drop returns the statements that drop the table with its indexes. A schema is
// left alone: others may use it.
func (t Table) Drop(d Dialect) ([]string, error) {
	switch d.Name() {
	case dialect.PG, dialect.SQLite, dialect.MySQL:
		return []string{"DROP TABLE IF EXISTS " + t.Quoted(d)}, nil
	default:
		return nil, unsupported(d)
	}
}

func (t Table) index(suffix string) string { return t.Name + "_" + suffix + "_idx" }

// Quoted returns the table as SQL has it.
func (t Table) Quoted(d Dialect) string {
	if t.Schema == "" {
		return quote(d, t.Name)
	}
	return quote(d, t.Schema) + "." + quote(d, t.Name)
}

func quote(d Dialect, name string) string {
	return string(dialect.AppendName(nil, name, d.IdentQuote()))
}

func unsupported(d Dialect) error {
	return fmt.Errorf("the dialect %s is not supported: use PostgreSQL, SQLite or MySQL", d.Name())
}
