package oracle

import (
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

type postgres struct{}

func (postgres) quote(name string) string { return `"` + name + `"` }

func (postgres) concat(parts ...string) string { return strings.Join(parts, " || ") }

func (postgres) sometimes() string { return "random() < 0.4" }

func (postgres) derived(t *table) string { return t.quoted() }

func (postgres) schema() string { return "SELECT current_schema()" }

func (postgres) create(q *bun.CreateTableQuery, t *table) string {
	if t.partitioned {
		q = q.PartitionBy("HASH (" + t.conflict + ")")
	}
	return q.String()
}

const (
	pgLog = `CREATE TABLE oracle_log (seq bigserial PRIMARY KEY, tbl text, op text, xid text, label text, old jsonb, new jsonb)`

	pgFunction = `CREATE FUNCTION oracle_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO oracle_log (tbl, op, xid, label, old, new) VALUES (TG_ARGV[0], TG_OP, pg_current_xact_id()::text,
		COALESCE(current_setting('oracle.label', true), ''),
		CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) END, CASE WHEN TG_OP IN ('UPDATE', 'INSERT') THEN to_jsonb(NEW) END);
	RETURN NULL;
END $$`

	// pgWareTrigger changes what is written, and keeps some of it from being
	// written.
	pgWareTrigger = `CREATE FUNCTION ware_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.name = 'veto' THEN RETURN NULL; END IF;
	NEW.slug := lower(NEW.name) || COALESCE(NEW.stock, 0);
	IF NEW.stock < 0 THEN NEW.stock := 0; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER ware_before BEFORE INSERT OR UPDATE ON "odd wares" FOR EACH ROW EXECUTE FUNCTION ware_before()`
)

func (postgres) setUp(tables []*table) []string {
	stmts := []string{pgLog, pgFunction, pgWareTrigger}
	for _, t := range tables {
		for i := 0; t.partitioned && i < 3; i++ {
			stmts = append(stmts, fmt.Sprintf(`CREATE TABLE "%s part %d" PARTITION OF %s FOR VALUES WITH (MODULUS 3, REMAINDER %d)`,
				t.name, i, t.quoted(), i))
		}
		stmts = append(stmts, fmt.Sprintf(`CREATE TRIGGER oracle AFTER INSERT OR UPDATE OR DELETE ON %[1]s
			FOR EACH ROW EXECUTE FUNCTION oracle_write('%[2]s');
			CREATE TRIGGER oracle_truncate AFTER TRUNCATE ON %[1]s EXECUTE FUNCTION oracle_write('%[2]s')`, t.quoted(), t.name))
	}
	return stmts
}

func (postgres) empty(tables []*table) []string {
	list := "audit_events, oracle_log"
	for _, t := range tables {
		list += ", " + t.quoted()
	}
	return []string{"TRUNCATE " + list + " RESTART IDENTITY", "DELETE FROM oracle_log"} // the triggers have seen the first
}

func (postgres) row(_ *table, of string) string { return "to_jsonb(" + of + ")::text" }

func (postgres) read(t *table, text string) (row, error) {
	v, err := decode(text)
	if err != nil {
		return nil, err
	}
	out := row{}
	for _, c := range t.columns {
		out[c.name] = normalPG(c.kind, v.(map[string]any)[c.name])
	}
	return out, nil
}

func (postgres) mark() string { return "SELECT set_config('oracle.label', ?, true)" }

func (postgres) kill() []string {
	return []string{`SELECT pg_terminate_backend(pid) FROM (
		SELECT pid FROM pg_stat_activity WHERE application_name = current_setting('application_name')
		AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) AS victim`}
}

func (postgres) others() string { return "" }
