package sqltext

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// show writes a statement as one line, leaving out what is empty.
func show(sql string, s Statement) string {
	var b strings.Builder
	put := func(name string, span Span) {
		if !span.Empty() {
			fmt.Fprintf(&b, " %s<%s>", name, span.In(sql))
		}
	}
	assignments := func(list []Assignment) {
		for _, a := range list {
			fmt.Fprintf(&b, " %s:=%s", strings.Join(a.Columns, "+"), a.Expr.In(sql))
		}
	}
	put("with", s.With)
	if s.WithNames != nil {
		fmt.Fprintf(&b, " %q", s.WithNames)
	}
	b.WriteString(" " + s.Verb.String())
	put("modifier", s.Modifier)
	b.WriteString(" " + s.Target.String())
	if s.Only {
		b.WriteString(" only")
	}
	if s.MultiTable {
		b.WriteString(" multi")
	}
	if s.WithWrites {
		b.WriteString(" writes")
	}
	put("tables", s.Tables)
	put("as", s.Alias)
	put("partition", s.Partition)
	put("hints", s.Hints)
	put("columns", s.Columns)
	put("overriding", s.Overriding)
	put("source", s.Source)
	put("rows", s.Rows)
	put("row", s.RowAlias)
	for _, c := range s.Conflicts {
		fmt.Fprintf(&b, " conflict %d", c.Kind)
		put("on", c.Target)
		assignments(c.Assignments)
		put("where", c.Where)
	}
	assignments(s.Assignments)
	put("from", s.From)
	put("where", s.Where)
	put("order", s.OrderBy)
	put("limit", s.Limit)
	put("body", s.Body)
	put("renamed", s.ReturningWith)
	put("returning", s.Returning)
	return strings.TrimSpace(b.String())
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		sentence string
		d        Dialect
		sql      string
		want     string
	}{
		{"what Bun renders for an update", PostgreSQL, updateText,
			`UPDATE orders as<"order"> status:='shipped' total:=1250 updated_at:='2024-01-01 00:00:00+00:00' where<("order"."id" = 42)>`},
		{"what Bun renders for an upsert", PostgreSQL, insertText,
			`INSERT orders columns<"id", "status", "total"> source<VALUES (1, 'new', 10), (2, 'new', 20)> rows<(1, 'new', 10), (2, 'new', 20)> conflict 2 on<("id")> status:=EXCLUDED."status" returning<"id">`},
		{"what Bun renders for a delete", PostgreSQL, deleteText,
			`DELETE orders as<"order"> where<("order"."id" IN (1, 2, 3))> returning<*>`},
		{"what Bun renders for a bulk update", PostgreSQL,
			`WITH "_data" ("id", "n") AS (VALUES (1::BIGINT, 2::BIGINT)) UPDATE "orders" AS "order" SET "n" = _data."n" FROM _data WHERE ("order"."id" = _data."id")`,
			`with<WITH "_data" ("id", "n") AS (VALUES (1::BIGINT, 2::BIGINT))> ["_data"] UPDATE orders as<"order"> n:=_data."n" from<_data> where<("order"."id" = _data."id")>`},

		{"IS DISTINCT FROM is no FROM", PostgreSQL, `UPDATE t SET a = b IS NOT DISTINCT FROM c FROM d WHERE e IS DISTINCT FROM f`,
			`UPDATE t a:=b IS NOT DISTINCT FROM c from<d> where<e IS DISTINCT FROM f>`},
		{"keywords in parentheses are no clauses", PostgreSQL, `UPDATE t SET a = (SELECT b FROM c WHERE d RETURNING), e = extract(year FROM f) WHERE substring(x FROM 1) = CASE WHEN y THEN z END`,
			`UPDATE t a:=(SELECT b FROM c WHERE d RETURNING) e:=extract(year FROM f) where<substring(x FROM 1) = CASE WHEN y THEN z END>`},
		{"keywords in quotes are names", PostgreSQL, `UPDATE "set" AS "where" SET "from" = 'WHERE' WHERE "returning" = "set"`,
			`UPDATE set as<"where"> from:='WHERE' where<"returning" = "set">`},
		{"after a dot every word is a name", PostgreSQL, `UPDATE t SET a = t.from WHERE t. where = 1`, `UPDATE t a:=t.from where<t. where = 1>`},
		{"after AS every word is a label", PostgreSQL, `DELETE FROM t RETURNING a AS from, b AS where`, `DELETE t returning<a AS from, b AS where>`},
		{"SET is a name that PostgreSQL doesn't reserve", PostgreSQL, `UPDATE set SET set = 1, "set" = set`, `UPDATE set set:=1 set:=set`},
		{"columns may come in groups and with fields", PostgreSQL, `UPDATE t SET (A, "B") = (SELECT 1, 2), c[1] = 3, d.e.f = 4, g[1:2].h = DEFAULT`,
			`UPDATE t a+B:=(SELECT 1, 2) c:=3 d:=4 g:=DEFAULT`},
		{"inheritance has ONLY and a star", PostgreSQL, `DELETE FROM ONLY s . t AS a USING b JOIN c USING (d) WHERE true`, `DELETE s.t only as<a> from<b JOIN c USING (d)> where<true>`},
		{"a star is no alias", PostgreSQL, `UPDATE t * a SET b = 1`, `UPDATE t as<a> b:=1`},
		{"a time zone has no clause", PostgreSQL, `UPDATE t SET a = b::timestamp with time zone AT TIME ZONE 'UTC' WHERE (c, d) OVERLAPS (e, f)`,
			`UPDATE t a:=b::timestamp with time zone AT TIME ZONE 'UTC' where<(c, d) OVERLAPS (e, f)>`},
		{"a comment stays within its clause and is left out at its ends", PostgreSQL, "UPDATE t SET /* x */ a = /* WHERE */ 1 -- y\n WHERE b /* z */ = 1 /* end */ ;",
			`UPDATE t a:=1 where<b /* z */ = 1>`},
		{"a dollar quote holds anything", PostgreSQL, `UPDATE t SET a = $x$ WHERE ' $x$ WHERE b`, `UPDATE t a:=$x$ WHERE ' $x$ where<b>`},
		{"PostgreSQL 18 renames old and new", PostgreSQL, `UPDATE t SET a = 1 RETURNING WITH (OLD AS o, NEW AS n) o.a, n.a`, `UPDATE t a:=1 renamed<OLD AS o, NEW AS n> returning<o.a, n.a>`},

		{"names of table expressions", PostgreSQL, `WITH Orders (a) AS (SELECT 1), "O ""r" AS (SELECT 2), U&"\0061" AS (SELECT 3) DELETE FROM t`,
			`with<WITH Orders (a) AS (SELECT 1), "O ""r" AS (SELECT 2), U&"\0061" AS (SELECT 3)> ["orders" "O \"r" ""] DELETE t`},
		{"a table expression may write", PostgreSQL, `WITH RECURSIVE a AS NOT MATERIALIZED (DELETE FROM b RETURNING *), c AS (SELECT 1) SEARCH BREADTH FIRST BY d, e SET f CYCLE d SET g TO 'y' DEFAULT 'n' USING h INSERT INTO i TABLE a`,
			`with<WITH RECURSIVE a AS NOT MATERIALIZED (DELETE FROM b RETURNING *), c AS (SELECT 1) SEARCH BREADTH FIRST BY d, e SET f CYCLE d SET g TO 'y' DEFAULT 'n' USING h> ["a" "c"] INSERT i writes source<TABLE a>`},
		{"a source may be any query", PostgreSQL, `INSERT INTO t AS x (a, b[1], c.d) OVERRIDING USER VALUE (SELECT 1) UNION ALL SELECT 2 ORDER BY 1 LIMIT 1 RETURNING x.a`,
			`INSERT t as<x> columns<a, b[1], c.d> overriding<OVERRIDING USER VALUE> source<(SELECT 1) UNION ALL SELECT 2 ORDER BY 1 LIMIT 1> returning<x.a>`},
		{"VALUES with more after its rows is a query", PostgreSQL, `INSERT INTO t VALUES (1), (2) ORDER BY 1 ON CONFLICT DO NOTHING`, `INSERT t source<VALUES (1), (2) ORDER BY 1> conflict 1`},
		{"a column may be called values", PostgreSQL, `INSERT INTO t (values) VALUES (1)`, `INSERT t columns<values> source<VALUES (1)> rows<(1)>`},
		{"a query in parentheses is no list of columns", PostgreSQL, `INSERT INTO t ((SELECT 1))`, `INSERT t source<((SELECT 1))>`},
		{"a join's ON is no conflict", PostgreSQL, `INSERT INTO t SELECT DISTINCT ON (a) 1 FROM a LEFT JOIN b ON a.c = b.c CROSS JOIN d NATURAL JOIN e JOIN f USING (g) ON CONFLICT ON CONSTRAINT h DO NOTHING`,
			`INSERT t source<SELECT DISTINCT ON (a) 1 FROM a LEFT JOIN b ON a.c = b.c CROSS JOIN d NATURAL JOIN e JOIN f USING (g)> conflict 1 on<ON CONSTRAINT h>`},
		{"a conflict has a WHERE in two places", PostgreSQL, `INSERT INTO t VALUES (1) ON CONFLICT (a, lower(b)) WHERE c > 1 DO UPDATE SET (a, b) = ROW (1, 2), c = DEFAULT WHERE t.d RETURNING *`,
			`INSERT t source<VALUES (1)> rows<(1)> conflict 2 on<(a, lower(b)) WHERE c > 1> a+b:=ROW (1, 2) c:=DEFAULT where<t.d> returning<*>`},
		{"a locking source keeps its FOR UPDATE", PostgreSQL, `INSERT INTO t SELECT * FROM u FOR UPDATE OF u SKIP LOCKED RETURNING 1`, `INSERT t source<SELECT * FROM u FOR UPDATE OF u SKIP LOCKED> returning<1>`},
		{"default values have a conflict too", PostgreSQL, `INSERT INTO t DEFAULT VALUES ON CONFLICT DO NOTHING`, `INSERT t source<DEFAULT VALUES> conflict 1`},
		{"a merge is a target and a body", PostgreSQL, `MERGE INTO t a USING b ON c WHEN MATCHED THEN UPDATE SET d = 1 RETURNING merge_action(), *;`,
			`MERGE t as<a> body<USING b ON c WHEN MATCHED THEN UPDATE SET d = 1> returning<merge_action(), *>`},
		{"a truncate has options", PostgreSQL, `TRUNCATE a, ONLY b RESTART IDENTITY CASCADE`, `TRUNCATE a multi body<RESTART IDENTITY CASCADE>`},

		{"SQLite has its own modifiers and hints", SQLite, `UPDATE OR ROLLBACK main.[t] AS 'x' NOT INDEXED SET [a] == 1, (b, c) = (2, 3) FROM u WHERE d RETURNING e ORDER BY f LIMIT 1 OFFSET 2`,
			`UPDATE modifier<OR ROLLBACK> main.t as<'x'> hints<NOT INDEXED> a:=1 b+c:=(2, 3) from<u> where<d> order<f> limit<1 OFFSET 2> returning<e>`},
		{"SQLite has several conflicts", SQLite, `INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING ON CONFLICT (b) WHERE do DO UPDATE SET c = 1 WHERE d ON CONFLICT DO UPDATE SET e = 2`,
			`INSERT t source<VALUES (1)> rows<(1)> conflict 1 on<(a)> conflict 2 on<(b) WHERE do> c:=1 where<d> conflict 2 e:=2`},
		{"SQLite needs a WHERE before a conflict", SQLite, `INSERT INTO t SELECT * FROM a JOIN b ON c WHERE true ON CONFLICT DO NOTHING`, `INSERT t source<SELECT * FROM a JOIN b ON c WHERE true> conflict 1`},
		{"REPLACE is an insert", SQLite, `REPLACE INTO t (a) SELECT 1`, `REPLACE t columns<a> source<SELECT 1>`},

		{"MySQL inserts by SET", MySQL, "INSERT LOW_PRIORITY IGNORE t PARTITION (p) SET a = 1, t.b := VALUES(c) AS new (d) ON DUPLICATE KEY UPDATE a = new.a RETURNING a",
			`INSERT modifier<LOW_PRIORITY IGNORE> t partition<PARTITION (p)> source<SET a = 1, t.b := VALUES(c)> row<new (d)> conflict 3 a:=new.a a:=1 b:=VALUES(c) returning<a>`},
		{"MySQL's duplicate key follows a join without ON", MySQL, "INSERT INTO t (a) SELECT b FROM c JOIN d ON e ON DUPLICATE KEY UPDATE a = VALUES(a) + 1",
			`INSERT t columns<a> source<SELECT b FROM c JOIN d ON e> conflict 3 a:=VALUES(a) + 1`},
		{"MySQL's rows may be empty", MySQL, "INSERT INTO t () VALUE (), ()", `INSERT t source<VALUE (), ()> rows<(), ()>`},
		{"MySQL's rows may be expressions", MySQL, "INSERT INTO t VALUES ROW(1), ROW(2) AS new", `INSERT t source<VALUES ROW(1), ROW(2)> rows<ROW(1), ROW(2)> row<new>`},
		{"MySQL hints at indexes", MySQL, "UPDATE t AS a USE INDEX FOR ORDER BY (i), IGNORE KEY (j) SET a.b = 1 WHERE c ORDER BY d DESC LIMIT 3", `UPDATE t as<a> hints<USE INDEX FOR ORDER BY (i), IGNORE KEY (j)> b:=1 where<c> order<d DESC> limit<3>`},
		{"MySQL updates several tables", MySQL, "UPDATE t AS a LEFT JOIN (b, c) ON a.d = b.d SET a.e = 1 WHERE f", `UPDATE t multi tables<t AS a LEFT JOIN (b, c) ON a.d = b.d> e:=1 where<f>`},
		{"MySQL deletes from several tables", MySQL, "DELETE QUICK a.*, b FROM t AS a JOIN b WHERE c", `DELETE modifier<QUICK> a multi tables<t AS a JOIN b> where<c>`},
		{"MySQL deletes in order", MySQL, "DELETE FROM t WHERE a = 'x\\'' ORDER BY b LIMIT 2 RETURNING c", `DELETE t where<a = 'x\''> order<b> limit<2> returning<c>`},
		{"MariaDB returns what a direction precedes", MySQL, "DELETE FROM t ORDER BY a DESC RETURNING NOT b", `DELETE t order<a DESC> returning<NOT b>`},
		{"MySQL's table references may start in parentheses", MySQL, "UPDATE ((a, b.c AS d) JOIN e) SET a.x = 1", `UPDATE a multi tables<((a, b.c AS d) JOIN e)> x:=1`},
		{"MySQL deletes from one of several tables", MySQL, "DELETE FROM a USING s.a AS a JOIN b ON a.c = b.c WHERE d ORDER BY e", `DELETE a multi tables<s.a AS a JOIN b ON a.c = b.c> where<d> order<e>`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s, err := Split(c.d, c.sql)
			if err != nil {
				t.Fatalf("%q: %v", c.sql, err)
			}
			if got := show(c.sql, s); got != c.want {
				t.Fatalf("%q:\ngot  %s\nwant %s", c.sql, got, c.want)
			}
		})
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, c := range []struct {
		sentence string
		d        Dialect
		sql      string
		reason   string
	}{
		{"a select", PostgreSQL, "SELECT 1", "no statement that Split takes apart"},
		{"nothing", PostgreSQL, "-- x", "no statement that Split takes apart"},
		{"several statements", PostgreSQL, "DELETE FROM a; DELETE FROM b", "several statements"},
		{"a cursor", PostgreSQL, "DELETE FROM a WHERE CURRENT OF c", "WHERE CURRENT OF"},
		{"an unterminated string", PostgreSQL, "DELETE FROM a WHERE b = 'c", "unterminated quote"},
		{"an unclosed parenthesis", PostgreSQL, "DELETE FROM a WHERE (b", "unclosed parenthesis"},
		{"an unopened parenthesis", PostgreSQL, "UPDATE a SET b = 1 WHERE c) OR (d", "unopened parenthesis"},
		{"a NUL byte", PostgreSQL, "DELETE FROM a WHERE b\x00", "NUL byte"},
		{"a name with Unicode escapes", PostgreSQL, `DELETE FROM U&"a"`, "name with Unicode escapes"},
		{"a name that PostgreSQL would cut", PostgreSQL, `DELETE FROM "` + strings.Repeat("é", 32) + `"`, "name longer than 63 bytes"},
		{"a clause that the statement has not", PostgreSQL, "UPDATE a SET b = 1 WHERE c ORDER BY d", "keyword out of place in WHERE"},
		{"a clause twice", PostgreSQL, "UPDATE a SET b = 1 WHERE c WHERE d", "keyword out of place in WHERE"},
		{"clauses in the wrong order", PostgreSQL, "DELETE FROM a RETURNING b WHERE c", "keyword out of place in RETURNING"},
		{"a clause without text", PostgreSQL, "DELETE FROM a WHERE RETURNING b", "empty WHERE"},
		{"an assignment without a value", PostgreSQL, "UPDATE a SET b = , c = 1", "empty SET"},
		{"a conflict that may be a join's condition", PostgreSQL, "INSERT INTO a SELECT * FROM b JOIN c ON CONFLICT (d) DO NOTHING", "ON CONFLICT that may be a join's ON"},
		{"a conflict that SQLite takes for a join's condition", SQLite, "INSERT INTO a SELECT * FROM b ON CONFLICT DO NOTHING", "ON CONFLICT that may be a join's ON"},
		{"an alias without AS on SQLite", SQLite, "UPDATE a b SET c = 1", "UPDATE without SET"},
		{"a name in double quotes on MySQL", MySQL, `DELETE FROM "a"`, "name in double quotes, which ANSI_QUOTES decides on"},
		{"a comment that may be executed", MySQL, "DELETE FROM a /*! WHERE b */", "comment that some servers execute"},
		{"a column called returning", MySQL, "DELETE FROM a WHERE b = 1 AND returning", "RETURNING, which may be a name"},
		{"a table's alias called returning", MySQL, "INSERT INTO a SELECT b FROM c returning JOIN d", "RETURNING, which may be a name"},
		{"a period of time", MySQL, "DELETE FROM a FOR PORTION OF b FROM 1 TO 2", "text out of place"},
		{"an ODBC join", MySQL, "UPDATE {OJ a LEFT JOIN b ON c} SET d = 1", "no name"},
		{"MERGE where there is none", SQLite, "MERGE INTO a USING b ON c WHEN MATCHED THEN DELETE", "no statement that Split takes apart"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s, err := Split(c.d, c.sql)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %s", c.sql, show(c.sql, s))
			}
			if e.Reason != c.reason || e.Offset < 0 || e.Offset > len(c.sql) {
				t.Fatalf("%q: %v", c.sql, err)
			}
		})
	}
}

func TestSplitListSplitsAtCommasOutsideOfParentheses(t *testing.T) {
	s := " a, f(b, c) /* , */ , ARRAY[1, 2], 'd, e' AS from, (1, 2) -- ,"
	var got []string
	for _, span := range SplitList(PostgreSQL, s) {
		got = append(got, span.In(s))
	}
	if want := "a|f(b, c)|ARRAY[1, 2]|'d, e' AS from|(1, 2)"; strings.Join(got, "|") != want {
		t.Fatalf("%q", got)
	}
	for _, s := range []string{"", "a,", ",a", "a,,b", "(a", "a)", "a; b", "'a"} {
		if got := SplitList(PostgreSQL, s); got != nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestSplitRowTellsARowFromASubquery(t *testing.T) {
	for text, want := range map[string][]string{
		"(1, 2)":                             {"1", "2"},
		"ROW(f(a, b), '),(')":                {"f(a, b)", "'),('"},
		"row\n( /* a */ a + 1 , -- b\n b)":   {"a + 1", "b"},
		"((SELECT 1), DEFAULT)":              {"(SELECT 1)", "DEFAULT"},
		"(SELECT 1, 2)":                      nil,
		"(/* a */ select 1, 2)":              nil,
		"(WITH a AS (SELECT 1) SELECT 1, 2)": nil,
		"(VALUES (1, 2), (3, 4))":            nil,
		"(selected, 2)":                      {"selected", "2"},
		"((SELECT 1, 2))":                    nil,
		"ROW(t.*)":                           nil,
		"(1), (2)":                           nil,
		"(1, 2) + (3, 4)":                    nil,
		"f(1, 2)":                            nil,
		"rowed(1, 2)":                        nil,
		"(1, 2, 3)":                          nil,
		"(1, )":                              nil,
		"(":                                  nil,
		"":                                   nil,
	} {
		if got := SplitRow(PostgreSQL, text, 2); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := SplitRow(SQLite, "((a))", 1); !slices.Equal(got, []string{"(a)"}) {
		t.Errorf("%q", got)
	}
}

func TestNamesAndAssignmentsStandAlone(t *testing.T) {
	names, err := Names(PostgreSQL, `A, "B""C", d[1], e.f`)
	if err != nil || fmt.Sprint(names) != `[a B"C d e]` {
		t.Errorf("%q, %v", names, err)
	}
	if names, err = Names(MySQL, "t.a, `b`"); err != nil || fmt.Sprint(names) != "[a b]" {
		t.Errorf("%q, %v", names, err)
	}
	for _, s := range []string{"", "a b", "a,", "1", "(a)"} {
		if _, err := Names(PostgreSQL, s); err == nil {
			t.Errorf("Names takes %q", s)
		}
	}
}

func TestErrorsHoldNoValues(t *testing.T) {
	_, err := Split(PostgreSQL, "UPDATE users SET password = 'secret' WHERE id = 1 ORDER BY secret")
	if err == nil || strings.Contains(err.Error(), "secret") || err.Error() != "sqltext: split statement: keyword out of place in WHERE at byte 50" {
		t.Error(err)
	}
}
