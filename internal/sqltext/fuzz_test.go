package sqltext

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var dialects = []Dialect{PostgreSQL, SQLite, MySQL}

func seed(f *testing.F) {
	for _, sql := range corpus {
		for d := range dialects {
			f.Add(byte(d), sql)
		}
	}
}

// corpus is where the fuzzers start from.
var corpus = []string{
	`UPDATE "orders" AS "order" SET "n" = n + 1, b = 'x;''' WHERE (id = 1) RETURNING *`,
	`INSERT INTO s.t AS x (a, "b""c") VALUES (1, $$;$$), (2, E'\'') ON CONFLICT (a) WHERE a > 1 DO UPDATE SET a = EXCLUDED.a WHERE x.a IS DISTINCT FROM 1 RETURNING a AS from`,
	`INSERT INTO t SELECT a FROM x JOIN y ON x.a = y.a WHERE true ON CONFLICT DO NOTHING`,
	`INSERT INTO t(a) VALUES (1) ON CONFLICT (a) DO NOTHING ON CONFLICT DO UPDATE SET a = 2`,
	`INSERT IGNORE INTO t SET a = 1 AS new ON DUPLICATE KEY UPDATE a = new.a`,
	`WITH RECURSIVE a (x) AS NOT MATERIALIZED (DELETE FROM t RETURNING *) SEARCH DEPTH FIRST BY x SET y, b AS (SELECT 1) UPDATE ONLY (q) SET (a, b) = (SELECT 1, 2), c[1] = 2 FROM b WHERE q.x = b.x`,
	`DELETE FROM ONLY a.b * AS c USING d JOIN e USING (x) WHERE c.x = d.x`,
	`DELETE LOW_PRIORITY a, b.c FROM x AS a JOIN b.c ON 1 WHERE true`,
	`DELETE FROM a, b USING a JOIN b`,
	`DELETE FROM t PARTITION (p0) WHERE a ORDER BY b LIMIT 3 RETURNING a`,
	`UPDATE a JOIN b USING (x) SET a.y = b.y WHERE a.z`,
	`UPDATE OR IGNORE t INDEXED BY i SET a == 1`,
	`MERGE INTO t AS a USING s ON a.id = s.id WHEN MATCHED THEN UPDATE SET x = 1 WHEN NOT MATCHED THEN INSERT VALUES (1) RETURNING *;`,
	`TRUNCATE TABLE ONLY a, b RESTART IDENTITY CASCADE`,
	`SELECT 1; -- ; ` + "\n" + `DELETE FROM t`,
	`EXPLAIN (ANALYZE) DELETE FROM t`,
	`PREPARE x (int) AS UPDATE t SET a = $1`,
	`COPY t (a) FROM stdin`,
	`COPY (DELETE FROM t RETURNING *) TO stdout`,
	`LOAD DATA INFILE 'x' INTO TABLE t`,
	`SET STATEMENT max_statement_time = 1 FOR UPDATE t SET a = 1`,
	`BEGIN NOT ATOMIC UPDATE t SET a = 1; END`,
	`CREATE TRIGGER x AFTER UPDATE ON t BEGIN DELETE FROM u; END; UPDATE v SET a = 1`,
	`/*!50000 UPDATE t SET */ a = 1`,
	"UPDATE `a``b` SET [x]]=1 # \n",
	`UPDATE t SET a = E'\''` + "\n" + `'\'' WHERE x`,
}

// checkSpans fails unless the clauses lie in the text, in its order.
func checkSpans(t *testing.T, sql string, s Statement) {
	t.Helper()
	at := 0
	for _, span := range inOrder(s) {
		if span == (Span{}) {
			continue
		}
		if span.Start < at || span.End < span.Start || span.End > s.End || s.End > len(sql) {
			t.Fatalf("span %v after %d of %q: %+v", span, at, sql, s)
		}
		at = span.End
	}
}

// inOrder lists the spans as the text has them; those within another are left
// out.
func inOrder(s Statement) []Span {
	spans := []Span{s.With, s.VerbSpan, s.Modifier}
	if s.MultiTable && s.Verb == Update {
		spans = append(spans, s.Tables)
	} else {
		spans = append(spans, s.TargetText)
		if s.Partition.Start < s.Alias.Start {
			spans = append(spans, s.Partition, s.Alias)
		} else {
			spans = append(spans, s.Alias, s.Partition)
		}
		spans = append(spans, s.Hints, s.Tables)
	}
	spans = append(spans, s.Columns, s.Overriding, s.Source, s.RowAlias, s.OnConflict)
	if s.SourceKind != SourceSet {
		spans = append(spans, s.Set)
	}
	spans = append(spans, s.From, s.Where)
	if s.Returning.Start != 0 && s.OrderBy.Start > s.Returning.Start || s.Limit.Start > s.Returning.Start {
		return append(spans, s.ReturningWith, s.Returning, s.OrderBy, s.Limit)
	}
	return append(spans, s.OrderBy, s.Limit, s.Body, s.ReturningWith, s.Returning)
}

func FuzzSplit(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, dialect byte, sql string) {
		d := Dialect(dialect % 3)
		s, err := Split(d, sql)
		names, certain := Targets(d, sql)
		h := Glance(d, sql)
		if err != nil {
			return
		}
		checkSpans(t, sql, s)
		checkAgain(t, d, sql, s)
		if h.Verb != s.Verb || h.Target != s.Target || !h.Writes || h.Several {
			t.Fatalf("Glance(%q) = %+v, Split has %v %v", sql, h, s.Verb, s.Target)
		}
		if !certain {
			t.Fatalf("Targets(%q) is uncertain, Split isn't", sql)
		}
		if !s.WithWrites && !s.MultiTable && !h.Certain {
			t.Fatalf("Glance(%q) is uncertain, Split isn't", sql)
		}
		for _, n := range names {
			if n == s.Target {
				return
			}
		}
		t.Fatalf("Targets(%q) = %v without %v", sql, names, s.Target)
	})
}

// With its values back in their places a text is what it was.
func FuzzLift(f *testing.F) {
	seed(f)
	f.Add(byte(0), "UPDATE t SET a = 'x', b = -1, c = E'\\'' WHERE d = 7 AND (e = 'f') OR g = 1.5")
	parameter := regexp.MustCompile(`\$(\d+)(::(integer|bigint|numeric))?`)
	f.Fuzz(func(t *testing.T, _ byte, sql string) {
		s, err := Split(PostgreSQL, sql)
		if err != nil {
			return
		}
		text, values, ok := s.Lift(sql)
		if !ok {
			return
		}
		next := 0
		back := parameter.ReplaceAllStringFunc(text, func(p string) string {
			next++
			if got := parameter.FindStringSubmatch(p)[1]; got != strconv.Itoa(next) || next > len(values) {
				t.Fatalf("Lift(%q) = %q with %q", sql, text, values)
			}
			return values[next-1]
		})
		if back != sql[:s.End] || next != len(values) {
			t.Fatalf("Lift(%q) = %q with %q", sql, text, values)
		}
		if again, err := Split(PostgreSQL, text); err != nil || again.Verb != s.Verb || again.Target != s.Target {
			t.Fatalf("Split(%q) = %+v, %v", text, again, err)
		}
	})
}

func FuzzGlance(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, dialect byte, sql string) {
		d := Dialect(dialect % 3)
		h := Glance(d, sql)
		names, certain := Targets(d, sql)
		if !h.Target.IsZero() && h.Writes && certain && !slices.Contains(names, h.Target) {
			t.Fatalf("Glance(%q) = %+v, Targets = %v", sql, h, names)
		}
		if again := Glance(d, " /* ; */\n"+sql); again != h {
			t.Fatalf("Glance(%q) = %+v, after a comment %+v", sql, h, again)
		}
		full := survey(d, sql)
		// What comes after the head of a single statement doesn't matter, even if
		// no database would take it.
		if h.Certain && (full.several != h.Several || full.verb != h.Verb || full.target != h.Target) {
			t.Fatalf("Glance(%q) = %+v, a full pass %+v", sql, h, full)
		}
	})
}

func FuzzSplitList(f *testing.F) {
	for d := range dialects {
		f.Add(byte(d), "a, f(b, c), 'd, e' AS from /* , */, [1, 2]")
	}
	f.Fuzz(func(t *testing.T, dialect byte, s string) {
		at := 0
		for _, span := range SplitList(Dialect(dialect%3), s) {
			if span.Start < at || span.Empty() || span.End > len(s) {
				t.Fatalf("%v after %d of %q", span, at, s)
			}
			at = span.End
		}
	})
}

func FuzzTargets(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, dialect byte, sql string) {
		d := Dialect(dialect % 3)
		names, certain := Targets(d, sql)
		h := Glance(d, sql)
		if h.Certain && (!certain || len(names) > 1 || len(names) == 1 && names[0] != h.Target) {
			t.Fatalf("Glance(%q) = %+v, Targets = %v %v", sql, h, names, certain)
		}
		if !h.Writes && (len(names) > 0 || !certain) {
			t.Fatalf("Glance(%q) sees no write, Targets = %v %v", sql, names, certain)
		}
	})
}

// clauses lists what a statement was taken apart into, without places.
func clauses(sql string, s Statement) []string {
	list := []string{s.Verb.String(), s.Target.Schema, s.Target.Table, fmt.Sprint(s.Only, s.Recursive, s.WithWrites, s.WithNames, s.MultiTable, s.SourceKind)}
	for _, span := range []Span{s.With, s.Modifier, s.TargetText, s.Alias, s.Partition, s.Hints, s.Tables, s.Columns, s.Overriding, s.Source, s.Rows,
		s.RowAlias, s.Set, s.From, s.Where, s.OrderBy, s.Limit, s.ReturningWith, s.Returning, s.Body} {
		list = append(list, span.In(sql))
	}
	add := func(as []Assignment) {
		for _, a := range as {
			list = append(list, strings.Join(a.Columns, "|"), a.Left.In(sql), a.Expr.In(sql))
		}
	}
	add(s.Assignments)
	for _, c := range s.Conflicts {
		list = append(list, fmt.Sprint(c.Kind), c.Target.In(sql), c.Set.In(sql), c.Where.In(sql))
		add(c.Assignments)
	}
	return list
}

// checkAgain fails unless the statement, put together again from its clauses, is
// taken apart into the same ones.
func checkAgain(t *testing.T, d Dialect, sql string, s Statement) {
	t.Helper()
	if s.MultiTable && s.Verb != Update {
		return // the other tables of DELETE and TRUNCATE have no span
	}
	again := together(sql, s)
	s2, err := Split(d, again)
	if err != nil {
		t.Fatalf("%q\nput together again as\n%q: %v", sql, again, err)
	}
	if a, b := clauses(sql, s), clauses(again, s2); !slices.Equal(a, b) {
		t.Fatalf("%q\nput together again as\n%q:\n%q\n%q", sql, again, a, b)
	}
}

func together(sql string, s Statement) string {
	var b strings.Builder
	put := func(before string, span Span, after string) {
		if !span.Empty() {
			b.WriteString(before + span.In(sql) + after + " ")
		}
	}
	put("", s.With, "")
	put("", s.VerbSpan, "")
	put("", s.Modifier, "")
	switch s.Verb {
	case Insert, Replace, Merge:
		b.WriteString("INTO ")
	case Delete:
		b.WriteString("FROM ")
	case Truncate:
		b.WriteString("TABLE ")
	}
	if s.Only {
		b.WriteString("ONLY ")
	}
	if !s.Tables.Empty() {
		put("", s.Tables, "")
	} else {
		put("", s.TargetText, "")
	}
	if s.Verb != Delete {
		put("", s.Partition, "")
	}
	put("AS ", s.Alias, "")
	if s.Verb == Delete {
		put("", s.Partition, "")
	}
	put("", s.Hints, "")
	if put("(", s.Columns, ")"); s.Columns.Empty() && s.Columns.Start > 0 {
		b.WriteString("() ")
	}
	put("", s.Overriding, "")
	put("", s.Source, "")
	put("AS ", s.RowAlias, "")
	for _, c := range s.Conflicts {
		switch c.Kind {
		case DoNothing:
			b.WriteString("ON CONFLICT " + c.Target.In(sql) + " DO NOTHING ")
		case DoUpdate:
			b.WriteString("ON CONFLICT " + c.Target.In(sql) + " DO UPDATE SET " + c.Set.In(sql) + " ")
			put("WHERE ", c.Where, "")
		case DuplicateKey:
			b.WriteString("ON DUPLICATE KEY UPDATE " + c.Set.In(sql) + " ")
		}
	}
	if s.SourceKind != SourceSet {
		put("SET ", s.Set, "")
	}
	if s.Verb == Delete {
		put("USING ", s.From, "")
	} else {
		put("FROM ", s.From, "")
	}
	put("WHERE ", s.Where, "")
	put("ORDER BY ", s.OrderBy, "")
	put("LIMIT ", s.Limit, "")
	put("", s.Body, "")
	if !s.Returning.Empty() {
		b.WriteString("RETURNING ")
		put("WITH (", s.ReturningWith, ")")
		put("", s.Returning, "")
	}
	return b.String()
}
