package sqltext

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestGlance(t *testing.T) {
	orders := Name{Table: "orders"}
	for _, c := range []struct {
		sentence string
		d        Dialect
		sql      string
		want     Head
	}{
		{"an update writes to its table", PostgreSQL, `UPDATE "orders" AS "order" SET a = 1`, Head{Update, orders, true, false, true}},
		{"unquoted names fold on PostgreSQL", PostgreSQL, `update Public.ORDERS set a = 1`, Head{Update, Name{"public", "orders"}, true, false, true}},
		{"quoted names don't", PostgreSQL, `update "Public"."ORD""ERS" set a = 1`, Head{Update, Name{"Public", `ORD"ERS`}, true, false, true}},
		{"names don't fold elsewhere", SQLite, `DELETE FROM Main.[Orders]`, Head{Delete, Name{"Main", "Orders"}, true, false, true}},
		{"SQLite takes a string for a table", SQLite, `DELETE FROM 'orders'`, Head{Delete, orders, true, false, true}},
		{"a comment comes first", PostgreSQL, "/* UPDATE x */ -- DELETE\n INSERT INTO orders DEFAULT VALUES", Head{Insert, orders, true, false, true}},
		{"ONLY is no table", PostgreSQL, `DELETE FROM ONLY (orders)`, Head{Delete, orders, true, false, true}},
		{"MySQL needs no INTO", MySQL, "INSERT IGNORE `orders` VALUES (1)", Head{Insert, orders, true, false, true}},
		{"modifiers are no table", MySQL, "UPDATE LOW_PRIORITY IGNORE orders SET a = 1", Head{Update, orders, true, false, true}},
		{"OR is no table", SQLite, "INSERT OR REPLACE INTO orders VALUES (1)", Head{Insert, orders, true, false, true}},
		{"a select writes nothing", PostgreSQL, `SELECT 'UPDATE x; DELETE FROM y' FROM z FOR UPDATE`, Head{Verb: Select, Certain: true}},
		{"a select in parentheses writes nothing", MySQL, `(SELECT 1)`, Head{Verb: Select, Certain: true}},
		{"a trailing semicolon is no second statement", PostgreSQL, "DELETE FROM orders ; ;\n", Head{Delete, orders, true, false, true}},
		{"a semicolon in a literal is none", PostgreSQL, "DELETE FROM orders WHERE a = ';' OR b = 1", Head{Delete, orders, true, false, true}},
		{"a comment after a semicolon is none", PostgreSQL, "DELETE FROM orders; -- ; DELETE", Head{Delete, orders, true, false, true}},
		{"a second statement is seen", PostgreSQL, "SELECT 1; DELETE FROM orders", Head{Select, Name{}, true, true, false}},
		{"a second statement that writes nothing", PostgreSQL, "SELECT 1; SELECT 2", Head{Select, Name{}, false, true, false}},
		{"WITH has the verb of its main statement", PostgreSQL, "WITH a AS (SELECT 1) UPDATE orders SET a = 1", Head{Update, orders, true, false, true}},
		{"WITH may write under a select", PostgreSQL, "WITH a AS (DELETE FROM x RETURNING *) SELECT * FROM a", Head{Select, Name{}, true, false, false}},
		{"WITH may write besides its main statement", PostgreSQL, "WITH a AS (DELETE FROM x RETURNING *) INSERT INTO orders SELECT * FROM a", Head{Insert, orders, true, false, false}},
		{"WITH on the same table is certain", PostgreSQL, "WITH a AS (DELETE FROM orders RETURNING *) INSERT INTO orders SELECT * FROM a", Head{Insert, orders, true, false, true}},
		{"MySQL updates several tables", MySQL, "UPDATE orders AS o, b SET a = 1", Head{Update, orders, true, false, false}},
		{"MySQL deletes from several tables", MySQL, "DELETE orders FROM orders JOIN b", Head{Delete, orders, true, false, false}},
		{"a transaction begins", SQLite, "BEGIN IMMEDIATE", Head{Verb: Begin, Certain: true}},
		{"a transaction begins on MySQL", MySQL, "START TRANSACTION READ ONLY", Head{Verb: Begin, Certain: true}},
		{"a transaction ends", PostgreSQL, "END", Head{Verb: Commit, Certain: true}},
		{"a transaction is rolled back", PostgreSQL, "ROLLBACK WORK", Head{Verb: Rollback, Certain: true}},
		{"a transaction is rolled back in part", PostgreSQL, "ROLLBACK TO SAVEPOINT a", Head{Verb: RollbackTo, Certain: true}},
		{"DDL writes no rows", PostgreSQL, "CREATE TABLE x AS SELECT 1", Head{Verb: DDL, Certain: true}},
		{"code on the server is out of scope", PostgreSQL, "DO $$ BEGIN DELETE FROM x; END $$", Head{Verb: Call, Certain: true}},
		{"an executed statement is uncertain", PostgreSQL, "EXECUTE x", Head{Verb: Execute, Writes: true}},
		{"a name with Unicode escapes is uncertain", PostgreSQL, `UPDATE U&"\0061" SET a = 1`, Head{Verb: Update, Writes: true}},
		{"a name that PostgreSQL would cut is uncertain", PostgreSQL, `UPDATE ` + strings.Repeat("a", 64) + ` SET a = 1`, Head{Verb: Update, Writes: true}},
		{"a comment that may be executed is uncertain", MySQL, "/*!50000 UPDATE */ orders SET a = 1", Head{Update, orders, true, false, false}},
		{"double quotes may be a name or not", MySQL, `UPDATE "orders" SET a = 1`, Head{Verb: Update, Writes: true}},
		{"nothing is nothing", SQLite, " -- x", Head{Certain: true}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got := Glance(c.d, c.sql); got != c.want {
				t.Fatalf("%q:\ngot  %+v\nwant %+v", c.sql, got, c.want)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		sentence  string
		d         Dialect
		sql       string
		want      string
		uncertain bool
	}{
		{"every statement counts", PostgreSQL, "UPDATE a SET x = 1; DELETE FROM b; SELECT 1; INSERT INTO a VALUES (1)", "[a b]", false},
		{"every table expression counts", PostgreSQL, "WITH x AS (INSERT INTO a VALUES (1)), y AS (WITH z AS (SELECT 1) UPDATE b SET c = 1) SELECT 1", "[a b]", false},
		{"a table expression with SEARCH before its verb counts", PostgreSQL, "WITH x AS (WITH z (a) AS (SELECT 1) SEARCH DEPTH FIRST BY a SET b DELETE FROM t) SELECT 1", "[t]", false},
		{"a query in parentheses may write", PostgreSQL, "(WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x)", "[a]", false},
		{"CREATE TABLE AS may write elsewhere", PostgreSQL, "CREATE TABLE n AS WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "[a]", false},
		{"columns named like verbs are columns", PostgreSQL, "WITH x AS (SELECT (update), (delete), (update IS NULL) FROM t FOR UPDATE) SELECT 1", "[]", false},
		{"a table expression may be named like a verb", PostgreSQL, "WITH update AS (SELECT 1), recursive AS (SELECT 2) DELETE FROM a", "[a]", false},
		{"EXPLAIN executes nothing", PostgreSQL, "EXPLAIN (COSTS off) DELETE FROM a", "[]", false},
		{"EXPLAIN ANALYZE does", PostgreSQL, "EXPLAIN (COSTS off, ANALYZE) DELETE FROM a", "[a]", false},
		{"MariaDB's ANALYZE does", MySQL, "ANALYZE FORMAT=JSON UPDATE a SET b = 1", "[a]", false},
		{"PREPARE counts as execution", PostgreSQL, "PREPARE x (int) AS UPDATE a SET b = $1", "[a]", false},
		{"MySQL prepares strings", MySQL, "PREPARE x FROM 'DELETE FROM a'", "[]", true},
		{"COPY FROM writes", PostgreSQL, "COPY s.a (x, y) FROM STDIN", "[s.a]", false},
		{"COPY TO does not", PostgreSQL, "COPY a TO STDOUT", "[]", false},
		{"COPY of a statement may", PostgreSQL, "COPY (DELETE FROM a RETURNING *) TO STDOUT", "[a]", false},
		{"TRUNCATE names several", PostgreSQL, "TRUNCATE ONLY a, b.c * RESTART IDENTITY", "[a b.c]", false},
		{"MERGE writes to its target", PostgreSQL, "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "[a]", false},
		{"LOAD DATA writes", MySQL, "LOAD DATA LOCAL INFILE 'INTO TABLE x' REPLACE INTO TABLE a.b", "[a.b]", false},
		{"MySQL updates any table of a join", MySQL, "UPDATE a AS x LEFT JOIN (b, c) ON f(x.a, 1) JOIN (SELECT 1 FROM z) d SET x.a = 1", "[a b c]", false},
		{"MySQL deletes from tables before FROM", MySQL, "DELETE x.*, y FROM a AS x JOIN b AS y WHERE x.a IN (SELECT 1 FROM z)", "[x y a b]", false},
		{"MySQL deletes from tables before USING", MySQL, "DELETE FROM x, y USING a AS x JOIN b AS y", "[x y a b]", false},
		{"MariaDB sets variables for a statement", MySQL, "SET STATEMENT max_statement_time = 1, b = 2 FOR DELETE FROM a", "[a]", false},
		{"MariaDB has blocks outside of routines", MySQL, "BEGIN NOT ATOMIC DELETE FROM a; UPDATE b SET c = 1; END", "[a b]", true},
		{"MariaDB has conditions outside of routines", MySQL, "IF 1 THEN DELETE FROM a; END IF", "[a]", true},
		{"a comment that may be executed is looked into", MySQL, "SELECT 1 /*!; DELETE FROM a */", "[a]", true},
		{"a body between semicolons is not executed", SQLite, "CREATE TEMP TRIGGER x AFTER UPDATE ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM a; END; DELETE FROM b", "[b]", false},
		{"a body of BEGIN ATOMIC is not executed", PostgreSQL, "CREATE OR REPLACE FUNCTION f(begin int) RETURNS int BEGIN ATOMIC DELETE FROM a; SELECT 1; END; DELETE FROM b", "[b]", false},
		{"a table named like a routine hides nothing", SQLite, "CREATE TABLE trigger (a); DELETE FROM b; END", "[b]", false},
		{"rights are no writes", PostgreSQL, "GRANT UPDATE, DELETE ON a TO b", "[]", false},
		{"an unterminated literal is uncertain", PostgreSQL, "SELECT 1; DELETE FROM a WHERE b = 'x", "[a]", true},
		{"a NUL byte is uncertain", SQLite, "WITH a AS (SELECT 1)\x00 DELETE FROM a", "[]", true},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			names, certain := Targets(c.d, c.sql)
			if got := fmt.Sprint(names); got != c.want || certain == c.uncertain {
				t.Fatalf("%q: %v, certain %v", c.sql, names, certain)
			}
		})
	}
}

func TestGlanceAllocatesNothing(t *testing.T) {
	for _, sql := range []string{updateText, insertText, deleteText, selectText, "INSERT INTO orders VALUES (';', 1)"} {
		if n := testing.AllocsPerRun(100, func() { Glance(PostgreSQL, sql) }); n != 0 {
			t.Errorf("%v allocations for %q", n, sql)
		}
	}
}

func TestNamesCompareAsTheDialectCompares(t *testing.T) {
	a := Name{"Public", "Orders"}
	if a.Is(PostgreSQL, "public", "Orders") || !a.Is(PostgreSQL, "", "Orders") || a.Is(PostgreSQL, "Public", "orders") {
		t.Error("PostgreSQL compares by byte")
	}
	if !a.Is(SQLite, "PUBLIC", "orders") || a.Is(MySQL, "other", "orders") || !(Name{"", "orders"}).Is(MySQL, "x", "ORDERS") {
		t.Error("the others don't care for case, nor for a schema that is missing")
	}
}

func TestVerbsHaveWords(t *testing.T) {
	var seen []string
	for v := Other; v <= DDL; v++ {
		if slices.Contains(seen, v.String()) {
			t.Errorf("%d is %s again", v, v)
		}
		seen = append(seen, v.String())
	}
}
