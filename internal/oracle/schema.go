package oracle

import (
	"context"
	"fmt"
	"strings"
)

// The oracle's tables. Marks are the names that transactions leave on SQLite,
// where they have no id; on PostgreSQL a setting takes their place.
const (
	pgLog     = `CREATE TABLE oracle_log (seq bigserial PRIMARY KEY, tbl text, op text, xid text, label text, old jsonb, new jsonb)`
	sqliteLog = `CREATE TABLE oracle_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT, op TEXT, xid TEXT, label TEXT, old TEXT, new TEXT);
CREATE TABLE oracle_mark (id INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT)`

	pgFunction = `CREATE FUNCTION oracle_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO oracle_log (tbl, op, xid, label, old, new) VALUES (TG_ARGV[0], TG_OP, pg_current_xact_id()::text,
		COALESCE(current_setting('oracle.label', true), ''),
		CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) END, CASE WHEN TG_OP IN ('UPDATE', 'INSERT') THEN to_jsonb(NEW) END);
	RETURN NULL;
END $$`

	// wareTrigger changes what is written, and keeps some of it from being
	// written.
	wareTrigger = `CREATE FUNCTION ware_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.name = 'veto' THEN RETURN NULL; END IF;
	NEW.slug := lower(NEW.name) || COALESCE(NEW.stock, 0);
	IF NEW.stock < 0 THEN NEW.stock := 0; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER ware_before BEFORE INSERT OR UPDATE ON "odd wares" FOR EACH ROW EXECUTE FUNCTION ware_before()`
)

// createTables makes the tables of the models, the oracle's, and its triggers.
func (w *World) createTables(ctx context.Context) error {
	for _, t := range w.tables {
		q := w.plain.NewCreateTable().Model(t.model)
		if t.check != "" {
			q = q.ColumnExpr(t.check)
		}
		if w.pg && t.partitioned {
			q = q.PartitionBy("HASH (" + t.conflict + ")")
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("oracle: create table %s: %w", t.name, err)
		}
	}
	stmts := []string{sqliteLog}
	if w.pg {
		stmts = []string{pgLog, pgFunction, wareTrigger}
		for _, t := range w.tables {
			for i := 0; t.partitioned && i < 3; i++ {
				stmts = append(stmts, fmt.Sprintf(`CREATE TABLE "%s part %d" PARTITION OF %s FOR VALUES WITH (MODULUS 3, REMAINDER %d)`,
					t.name, i, t.quoted(), i))
			}
		}
	}
	for _, t := range w.tables {
		if w.pg {
			stmts = append(stmts, fmt.Sprintf(`CREATE TRIGGER oracle AFTER INSERT OR UPDATE OR DELETE ON %[1]s
				FOR EACH ROW EXECUTE FUNCTION oracle_write('%[2]s');
				CREATE TRIGGER oracle_truncate AFTER TRUNCATE ON %[1]s EXECUTE FUNCTION oracle_write('%[2]s')`, t.quoted(), t.name))
			continue
		}
		stmts = append(stmts, t.sqliteTrigger("INSERT", "NULL", t.sqliteRow("NEW")),
			t.sqliteTrigger("UPDATE", t.sqliteRow("OLD"), t.sqliteRow("NEW")),
			t.sqliteTrigger("DELETE", t.sqliteRow("OLD"), "NULL"))
	}
	for _, s := range stmts {
		if _, err := w.plain.DB.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("oracle: %s: %w", s, err)
		}
	}
	return nil
}

func (t *table) sqliteTrigger(op, old, new string) string {
	return fmt.Sprintf(`CREATE TRIGGER "oracle %s %s" AFTER %s ON %s BEGIN
		INSERT INTO oracle_log (tbl, op, label, old, new) VALUES ('%s', '%s',
			COALESCE((SELECT label FROM oracle_mark ORDER BY id DESC LIMIT 1), ''), %s, %s);
	END`, op, t.name, op, t.quoted(), t.name, op, old, new)
}

// sqliteRow is an expression for a row: the columns as SQL literals, in
// hexadecimal so that no byte of theirs matters.
func (t *table) sqliteRow(row string) string {
	var parts []string
	for _, c := range t.columns {
		parts = append(parts, fmt.Sprintf(`hex(quote(%s."%s"))`, row, c.name))
	}
	return strings.Join(parts, " || ' ' || ")
}

// clear empties every table.
func (w *World) clear(ctx context.Context) error {
	var stmts []string
	for _, t := range w.tables {
		stmts = append(stmts, t.quoted())
	}
	stmts = append(stmts, "audit_events", "oracle_log")
	if w.pg {
		stmts = []string{"TRUNCATE " + strings.Join(stmts, ", ") + " RESTART IDENTITY"}
	} else {
		stmts = append(stmts, "oracle_mark", "sqlite_sequence")
		for i := range stmts {
			stmts[i] = "DELETE FROM " + stmts[i]
		}
	}
	if w.pg { // the triggers have seen that
		stmts = append(stmts, "DELETE FROM oracle_log")
	}
	for _, s := range stmts {
		if _, err := w.plain.DB.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("oracle: clear: %w", err)
		}
	}
	return nil
}
