package oracle

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

type sqlite struct{}

func (sqlite) quote(name string) string { return `"` + name + `"` }

func (sqlite) concat(parts ...string) string { return strings.Join(parts, " || ") }

func (sqlite) sometimes() string { return "random() % 3 = 0" }

func (sqlite) derived(t *table) string { return t.quoted() }

func (sqlite) schema() string { return "SELECT 'main'" }

func (sqlite) create(q *bun.CreateTableQuery, _ *table) string { return q.String() }

func (f sqlite) setUp(tables []*table) []string {
	stmts := []string{
		"CREATE TABLE oracle_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT, op TEXT, xid TEXT, label TEXT, old TEXT, new TEXT)",
		"CREATE TABLE oracle_mark (id INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT)",
	}
	for _, t := range tables {
		stmts = append(stmts, f.trigger(t, "INSERT", "NULL", f.row(t, "NEW")), f.trigger(t, "UPDATE", f.row(t, "OLD"), f.row(t, "NEW")),
			f.trigger(t, "DELETE", f.row(t, "OLD"), "NULL"))
	}
	return stmts
}

func (sqlite) trigger(t *table, op, before, after string) string {
	return fmt.Sprintf(`CREATE TRIGGER "oracle %s %s" AFTER %s ON %s BEGIN
		INSERT INTO oracle_log (tbl, op, label, old, new) VALUES ('%s', '%s',
			COALESCE((SELECT label FROM oracle_mark ORDER BY id DESC LIMIT 1), ''), %s, %s);
	END`, op, t.name, op, t.quoted(), t.name, op, before, after)
}

func (sqlite) empty(tables []*table) []string {
	stmts := []string{"DELETE FROM audit_events"}
	for _, t := range tables {
		stmts = append(stmts, "DELETE FROM "+t.quoted())
	}
	return append(stmts, "DELETE FROM oracle_log", "DELETE FROM oracle_mark", "DELETE FROM sqlite_sequence")
}

// row has the columns as SQL literals, in hexadecimal so that no byte of theirs
// matters.
func (f sqlite) row(t *table, of string) string {
	var parts []string
	for _, c := range t.columns {
		parts = append(parts, fmt.Sprintf("hex(quote(%s.%s))", of, f.quote(c.name)))
	}
	return strings.Join(parts, " || ' ' || ")
}

func (sqlite) read(t *table, text string) (row, error) {
	out, parts := row{}, strings.Split(text, " ")
	for i, c := range t.columns {
		literal, err := hex.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		out[c.name] = normalSQLite(c.kind, string(literal))
	}
	return out, nil
}

func (sqlite) mark() string { return "INSERT INTO oracle_mark (label) VALUES (?)" }

func (sqlite) kill() []string { return nil }

func (sqlite) others() string { return "" }
