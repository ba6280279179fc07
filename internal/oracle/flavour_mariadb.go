package oracle

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

type mariadb struct{}

func (mariadb) quote(name string) string { return "`" + name + "`" }

func (mariadb) concat(parts ...string) string { return "CONCAT(" + strings.Join(parts, ", ") + ")" }

func (mariadb) sometimes() string { return "RAND() < 0.4" }

// derived is copied first: of the table itself a statement that writes to it may
// not read.
func (mariadb) derived(t *table) string {
	return "(SELECT * FROM " + t.quoted() + ") AS " + t.sql.quote("a copy")
}

func (mariadb) schema() string { return "SELECT DATABASE()" }

func (mariadb) create(q *bun.CreateTableQuery, t *table) string {
	if t.partitioned {
		q = q.PartitionBy("KEY (" + t.conflict + ") PARTITIONS 3")
	}
	return strings.ReplaceAll(q.String(), "jsonb", "json")
}

// mariadbWare is the body of triggers that change what is written, and keep some
// of it from being written.
const mariadbWare = `FOR EACH ROW BEGIN
	IF NEW.name = 'veto' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'veto'; END IF;
	SET NEW.slug = LEFT(CONCAT(LOWER(NEW.name), COALESCE(NEW.stock, 0)), 255);
	IF NEW.stock < 0 THEN SET NEW.stock = 0; END IF;
END`

// setUp's marks are told apart by the connection: the transaction has no id that a
// trigger could ask for.
func (f mariadb) setUp(tables []*table) []string {
	stmts := []string{
		"CREATE TABLE oracle_log (seq bigint AUTO_INCREMENT PRIMARY KEY, tbl text, op text, xid text, label text, `old` longtext, `new` longtext)",
		"CREATE TABLE oracle_mark (conn bigint PRIMARY KEY, label text)",
		"CREATE TRIGGER ware_insert BEFORE INSERT ON `odd wares` " + mariadbWare,
		"CREATE TRIGGER ware_update BEFORE UPDATE ON `odd wares` " + mariadbWare,
	}
	for _, t := range tables {
		stmts = append(stmts, f.trigger(t, "INSERT", "NULL", f.row(t, "NEW")), f.trigger(t, "UPDATE", f.row(t, "OLD"), f.row(t, "NEW")),
			f.trigger(t, "DELETE", f.row(t, "OLD"), "NULL"))
	}
	return stmts
}

func (mariadb) trigger(t *table, op, before, after string) string {
	return fmt.Sprintf("CREATE TRIGGER `oracle %s %s` AFTER %s ON %s FOR EACH ROW "+
		"INSERT INTO oracle_log (tbl, op, label, `old`, `new`) VALUES ('%s', '%s', "+
		"COALESCE((SELECT label FROM oracle_mark WHERE conn = CONNECTION_ID()), ''), %s, %s)",
		op, t.name, op, t.quoted(), t.name, op, before, after)
}

func (mariadb) empty(tables []*table) []string {
	stmts := []string{"TRUNCATE audit_events", "TRUNCATE oracle_log", "DELETE FROM oracle_mark"}
	for _, t := range tables {
		stmts = append(stmts, "TRUNCATE "+t.quoted()) // which no trigger sees
	}
	return stmts
}

// row has the columns as the server prints them, in hexadecimal. A float prints
// six digits of itself, unless it is made a double.
func (f mariadb) row(t *table, of string) string {
	var parts []string
	for _, c := range t.columns {
		col := of + "." + f.quote(c.name)
		switch c.kind {
		case kindBytes:
		case kindReal:
			col = "CAST(" + col + " + 0e0 AS CHAR)"
		default:
			col = "CAST(" + col + " AS CHAR)"
		}
		parts = append(parts, "COALESCE(HEX("+col+"), '-')")
	}
	return "CONCAT_WS(' ', " + strings.Join(parts, ", ") + ")"
}

func (mariadb) read(t *table, text string) (row, error) {
	out, parts := row{}, strings.Split(text, " ")
	for i, c := range t.columns {
		if parts[i] == "-" {
			out[c.name] = null
			continue
		}
		printed, err := hex.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		out[c.name] = normalMariaDB(c.kind, string(printed))
	}
	return out, nil
}

func (mariadb) mark() string { return "REPLACE INTO oracle_mark VALUES (CONNECTION_ID(), ?)" }

func (mariadb) kill() []string {
	return []string{
		"SET @victim = (SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY RAND() LIMIT 1)",
		"EXECUTE IMMEDIATE CONCAT(ELT(1 + (RAND() < 0.3), 'KILL ', 'KILL QUERY '), @victim)",
	}
}

// others: the server goes on with a statement whose client has gone.
func (mariadb) others() string {
	return "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
}
