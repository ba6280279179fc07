package judge

import (
	"fmt"
	"math/rand"
	"strings"
)

// generator writes statements of PostgreSQL that are mostly valid and as nasty
// as they come: keywords as names, quotes in comments, comments in gaps.
type generator struct {
	*rand.Rand
	// sqlite keeps to the tables and the syntax of the SQLite judge.
	sqlite bool
}

func (g *generator) chance(percent int) bool { return g.Intn(100) < percent }

func pick[T any](g *generator, of ...T) T { return of[g.Intn(len(of))] }

// gap is what may stand between two tokens.
func (g *generator) gap() string {
	if g.chance(85) {
		return " "
	}
	nested := " /* a /* ' WHERE */ ; \" */ "
	if g.sqlite {
		nested = " /* a ' /* WHERE ; */ "
	}
	return pick(g, "\n", "\t ", "  ", " /* ; RETURNING */ ", " -- it's; FROM x\n", nested, " --\n", "/**/", " /*$$*/ ")
}

// join puts a gap between parts that aren't empty, and varies the case of those
// that are keywords.
func (g *generator) join(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(g.gap())
		}
		b.WriteString(part)
	}
	return b.String()
}

// kw is a keyword in some case.
func (g *generator) kw(word string) string {
	switch g.Intn(4) {
	case 0:
		return strings.ToLower(word)
	case 1:
		b := []byte(strings.ToLower(word))
		i := g.Intn(len(b))
		b[i] = strings.ToUpper(string(b[i]))[0]
		return string(b)
	}
	return word
}

func (g *generator) ident() string {
	if g.sqlite {
		return g.column()
	}
	return pick(g, "a", "b", "c", "Foo", "naïve", "a$1", "_x", "set", "conflict", "nothing", "update", "insert", "delete", "merge",
		"key", "replace", "truncate", "begin", "value", "excluded", "of", "current", "returning_x", "do_", "copy", "partition",
		"search", "cycle", "materialized", "indexed", "recursive", "overriding", "lock", "share", "u", "e", "x",
		`"a b"`, `"it's"`, `"say ""hi"""`, `"WHERE"`, `"from"`, `"Set"`, `"returning"`, `"--"`, `"/*"`, `";"`, `"$$"`, `"a.b"`, `"ON CONFLICT"`)
}

func (g *generator) column() string {
	if g.sqlite {
		return pick(g, "a", "b", `"a"`, "[b]", "`c d`", `"from"`, "conflict", "A", "[set]", `"on conflict"`, "replace")
	}
	return g.ident()
}

func (g *generator) table() string {
	if g.sqlite {
		return pick(g, "t", "u", `"t"`, "main.t", `main . "update"`, "[u]", "`set`", `"it's"`, "T", `'t'`)
	}
	if g.chance(25) {
		return g.ident() + pick(g, ".", ".", " . ", "/**/./*.*/") + g.ident()
	}
	return g.ident()
}

func (g *generator) literal() string {
	if g.sqlite {
		return pick(g, "1", "'x'", "'it''s'", "';'", "'--'", "'/*'", "x'00ff'", "1.5", ".5", "1e3", "NULL", "'\\'", `' WHERE '`, "0x1f", "?1", ":x", "TRUE", "1.")
	}
	return pick(g, "1", "'x'", "'it''s'", "';'", "'--'", "'/*'", "E'\\''", "e'\\\\'", "E'a\\'b'\n'c\\'d'", "'a'\n 'b'", "$$it's; FROM$$", "$a$ $$ ' WHERE $a$",
		"$b_1$;$b_1$", "U&'\\0061'", "N'x'", "B'01'", "X'1f'", "1.5", ".5", "1e3", "1.", "1.e5", "0x1f", "1_000", "NULL", "TRUE", "$1", "'\\'", "DATE '2024-01-01'",
		"INTERVAL '1' DAY", "ARRAY[1, 2]", "ARRAY['a;', 'b''']", "'{}'::jsonb", "E'\\\\' ", "$$$$", "''", "''''")
}

func (g *generator) expr(depth int) string {
	if depth <= 0 {
		return g.atom()
	}
	e := func() string { return g.expr(depth - 1) }
	if g.sqlite {
		switch g.Intn(14) {
		case 0, 1:
			return g.join(e(), pick(g, "+", "-", "*", "||", "=", "<>", "<", "->", "->>", "==", "%", "&", "|"), e())
		case 2:
			return g.join("(", e(), ")")
		case 3:
			return g.join(g.kw("CASE"), g.kw("WHEN"), e(), g.kw("THEN"), e(), g.kw("ELSE"), e(), g.kw("END"))
		case 4:
			return g.join(e(), g.kw("IS"), pick(g, "", g.kw("NOT")), g.kw("DISTINCT"), g.kw("FROM"), e())
		case 5:
			return g.join("(", g.query(depth-1), ")")
		case 6:
			return g.join(e(), g.kw("IN"), "(", e(), ",", e(), ")")
		case 7:
			return g.join("replace(", e(), ",", e(), ",", e(), ")")
		case 8:
			return g.join(g.kw("EXISTS"), "(", g.query(depth-1), ")")
		case 9:
			return g.join(g.kw("CAST"), "(", e(), g.kw("AS"), "text )")
		case 10:
			return g.join(g.kw("NOT"), e())
		}
		return g.atom()
	}
	switch g.Intn(24) {
	case 0, 1, 2:
		return g.join(e(), pick(g, "+", "-", "*", "/", "||", "=", "<>", "<", "->", "->>", "@>", "?", "?|", "#>", "!=", "~*", "&&", "@@"), e())
	case 3:
		return g.join("(", e(), ")")
	case 4:
		return g.join(g.kw("CASE"), g.kw("WHEN"), e(), g.kw("THEN"), e(), g.kw("ELSE"), e(), g.kw("END"))
	case 5, 6:
		return g.join("(", e(), ")", g.kw("IS"), pick(g, "", g.kw("NOT")), g.kw("DISTINCT"), g.kw("FROM"), "(", e(), ")")
	case 7, 8:
		return g.join("(", g.query(depth-1), ")")
	case 9:
		return g.join(g.kw("EXTRACT"), "(", g.kw("YEAR"), g.kw("FROM"), e(), ")")
	case 10:
		return g.join(g.kw("SUBSTRING"), "(", e(), g.kw("FROM"), "1", g.kw("FOR"), "2", ")")
	case 11:
		return g.join("(", e(), ")", g.kw("AT TIME ZONE"), "'UTC'")
	case 12:
		return g.join("sum(", e(), ")", g.kw("FILTER"), "(", g.kw("WHERE"), e(), ")", g.kw("OVER"), "(", g.kw("PARTITION BY"), e(), g.kw("ORDER BY"), e(), g.kw("ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"), ")")
	case 13:
		return g.join("(", e(), ",", e(), ")", g.kw("OVERLAPS"), "(", e(), ",", e(), ")")
	case 14:
		return g.join(g.kw("TRIM"), "(", g.kw("BOTH"), g.kw("FROM"), e(), ")")
	case 15:
		return g.join(g.atom(), "::", pick(g, "text", "timestamp with time zone", "numeric(10,2)", "int[]", "character varying"))
	case 16:
		return g.join(g.kw("EXISTS"), "(", g.query(depth-1), ")")
	case 17:
		return g.join(g.kw("COALESCE"), "(", e(), ",", e(), ")")
	case 18:
		return g.join(g.kw("NOT"), "(", e(), ")")
	case 19:
		return g.join(g.kw("CAST"), "(", e(), g.kw("AS"), "text", ")")
	case 20:
		return g.join("(", e(), ")", g.kw("IN"), "(", e(), ",", e(), ")")
	}
	return g.atom()
}

func (g *generator) atom() string {
	switch {
	case g.chance(40):
		return g.literal()
	case g.sqlite:
		return g.column()
	case g.chance(30):
		return g.ident() + "." + pick(g, g.ident(), "from", "where", "returning", "on", "order", "set")
	case g.chance(10):
		return g.ident() + "[1]"
	}
	return g.ident()
}

func (g *generator) list(n int, item func() string) string {
	parts := make([]string, 1+g.Intn(n))
	for i := range parts {
		parts[i] = item()
	}
	return strings.Join(parts, pick(g, ", ", ",", " ,\n", "/*,*/,"))
}

// label is an alias, which on PostgreSQL may spell anything after AS.
func (g *generator) label() string {
	switch {
	case g.chance(50):
		return ""
	case g.sqlite:
		return g.join(g.kw("AS"), g.column())
	}
	return g.join(g.kw("AS"), pick(g, g.ident(), g.ident(), "from", "where", "set", "returning", "on", "select", "as", "distinct", "values", "order"))
}

func (g *generator) from() string {
	source := func() string {
		switch {
		case g.chance(70):
			return g.join(g.table(), pick(g, "", g.join(g.kw("AS"), g.plain()), g.plain()))
		case g.chance(70):
			return g.join("(", g.query(1), ")", g.kw("AS"), g.plain())
		case g.sqlite:
			return g.join("(", "t", g.kw("JOIN"), "u", ")")
		}
		return pick(g, "LATERAL f(a) AS x (y)", "ROWS FROM (f(1), g(2)) WITH ORDINALITY AS x (a, b)", "generate_series(1, 2) AS g", "(a CROSS JOIN b)", "t TABLESAMPLE system (1)")
	}
	s := source()
	for g.chance(30) {
		switch g.Intn(4) {
		case 0:
			s = g.join(s, pick(g, g.kw("LEFT"), g.kw("INNER"), ""), g.kw("JOIN"), source(), g.kw("ON"), g.expr(1))
		case 1:
			s = g.join(s, g.kw("JOIN"), source(), g.kw("USING"), "(", g.column(), ")")
		case 2:
			s = g.join(s, pick(g, g.kw("CROSS"), g.kw("NATURAL")), g.kw("JOIN"), source())
		case 3:
			s = g.join(s, ",", source())
		}
	}
	return s
}

// plain is a table's alias.
func (g *generator) plain() string {
	if g.sqlite {
		return pick(g, "x", "y", `"from"`, "[z z]")
	}
	return pick(g, "x", "y", "a1", `"from"`, `"Set"`, "update", "delete", "conflict", "nothing", `"a b"`)
}

func (g *generator) query(depth int) string {
	s := g.join(g.kw("SELECT"), pick(g, "", "", g.kw("DISTINCT")), g.list(2, func() string { return g.join(g.expr(depth), g.label()) }))
	if g.chance(70) {
		s = g.join(s, g.kw("FROM"), g.from())
	}
	if g.chance(50) {
		s = g.join(s, g.kw("WHERE"), g.expr(depth))
	}
	if g.chance(10) {
		s = g.join(s, g.kw("GROUP"), g.kw("BY"), g.expr(0), pick(g, "", g.join(g.kw("HAVING"), g.expr(1))))
	}
	if depth > 0 && g.chance(12) {
		s = g.join(s, pick(g, g.kw("UNION ALL"), g.kw("EXCEPT"), g.kw("INTERSECT")), g.query(depth-1))
	}
	if g.chance(15) {
		s = g.join(s, g.kw("ORDER"), g.kw("BY"), g.expr(0), pick(g, "", g.kw("DESC")))
	}
	if g.chance(15) {
		s = g.join(s, g.kw("LIMIT"), "1", pick(g, "", g.join(g.kw("OFFSET"), "2")))
	}
	if !g.sqlite && g.chance(8) {
		s = g.join(s, pick(g, g.kw("FOR UPDATE"), "FOR NO KEY UPDATE OF x SKIP LOCKED", "FOR SHARE"))
	}
	return s
}

func (g *generator) with(writes bool) string {
	if g.chance(75) {
		return ""
	}
	item := func() string {
		body := g.query(1)
		if writes && g.chance(40) {
			body = g.write(1, false)
		}
		tail := ""
		if !g.sqlite && g.chance(8) {
			tail = pick(g, "SEARCH DEPTH FIRST BY a, b SET c", "CYCLE a, b SET c USING d", "CYCLE a SET c TO 'y' DEFAULT 'n' USING d")
		}
		return g.join(g.plain(), pick(g, "", "(a, b)"), g.kw("AS"), pick(g, "", "", "MATERIALIZED", "NOT MATERIALIZED"), "(", body, ")", tail)
	}
	return g.join(g.kw("WITH"), pick(g, "", g.kw("RECURSIVE")), g.list(2, item))
}

func (g *generator) sets() string {
	return g.list(3, func() string {
		if g.chance(15) {
			return g.join("(", g.column(), ",", g.column(), ")", "=", "(", g.query(0), ")")
		}
		left := g.column()
		if !g.sqlite && g.chance(15) {
			left += pick(g, "[1]", ".f", "[1:2]", ".f[1]")
		}
		return g.join(left, pick(g, "=", "=", g.equals()), pick(g, g.expr(2), g.expr(2), g.orDefault()))
	})
}

func (g *generator) equals() string {
	if g.sqlite {
		return "=="
	}
	return "="
}

func (g *generator) orDefault() string {
	if g.sqlite {
		return "1"
	}
	return g.kw("DEFAULT")
}

func (g *generator) returning() string {
	if g.chance(65) {
		return ""
	}
	return g.join(g.kw("RETURNING"), pick(g, "*", g.list(3, func() string { return g.join(g.expr(1), g.label()) })))
}

func (g *generator) where() string {
	if g.chance(30) {
		return ""
	}
	return g.join(g.kw("WHERE"), g.expr(3))
}

// write is one INSERT, UPDATE, DELETE or MERGE.
func (g *generator) write(depth int, top bool) string {
	w := g.with(top && !g.sqlite)
	switch g.Intn(10) {
	case 0, 1, 2, 3:
		return g.join(w, g.insert())
	case 4, 5, 6:
		return g.join(w, g.update())
	case 7, 8:
		return g.join(w, g.delete())
	}
	if g.sqlite || !top {
		return g.join(w, g.update())
	}
	return g.join(w, g.kw("MERGE"), g.kw("INTO"), g.relation(), g.alias(), g.kw("USING"), g.table(), g.kw("AS"), g.plain(), g.kw("ON"), g.expr(1),
		g.kw("WHEN"), g.kw("MATCHED"), pick(g, "", "AND CASE WHEN a THEN b END"), g.kw("THEN"), pick(g, "UPDATE SET a = 1", "DELETE", "DO NOTHING"),
		pick(g, "", "WHEN NOT MATCHED THEN INSERT (a) VALUES (1)"), g.returning())
}

func (g *generator) relation() string {
	if g.sqlite {
		return g.table()
	}
	switch g.Intn(6) {
	case 0:
		return g.join(g.kw("ONLY"), g.table())
	case 1:
		return g.join(g.kw("ONLY"), "(", g.table(), ")")
	case 2:
		return g.join(g.table(), "*")
	}
	return g.table()
}

func (g *generator) alias() string {
	switch {
	case g.chance(40):
		return ""
	case g.chance(60) || g.sqlite:
		return g.join(g.kw("AS"), g.plain())
	}
	return g.plain()
}

func (g *generator) update() string {
	or, hint := "", ""
	if g.sqlite {
		or = pick(g, "", "", "OR IGNORE", "or  replace")
		hint = pick(g, "", "", "NOT INDEXED")
	}
	from := ""
	if g.chance(35) {
		from = g.join(g.kw("FROM"), g.from())
	}
	return g.join(g.kw("UPDATE"), or, g.relation(), g.alias(), hint, g.kw("SET"), g.sets(), from, g.where(), g.returning())
}

func (g *generator) delete() string {
	using := ""
	if !g.sqlite && g.chance(35) {
		using = g.join(g.kw("USING"), g.from())
	}
	return g.join(g.kw("DELETE"), g.kw("FROM"), g.relation(), g.alias(), using, g.where(), g.returning())
}

func (g *generator) insert() string {
	verb, columns, overriding := g.kw("INSERT"), "", ""
	if g.sqlite {
		verb = pick(g, verb, verb, "INSERT OR IGNORE", g.kw("REPLACE"))
	} else if g.chance(10) {
		overriding = pick(g, g.kw("OVERRIDING SYSTEM VALUE"), "OVERRIDING/* */USER VALUE")
	}
	n := 1 + g.Intn(2)
	if g.chance(70) {
		columns = g.join("(", g.row(n, g.column), ")")
	} else if g.sqlite {
		n = 8
	}
	alias := ""
	if g.chance(25) {
		alias = g.join(g.kw("AS"), g.plain())
	}
	row := func() string {
		return g.join("(", g.row(n, func() string { return pick(g, g.expr(2), g.literal()) }), ")")
	}
	var source string
	switch g.Intn(8) {
	case 0, 1, 2, 3:
		source = g.join(g.kw("VALUES"), g.list(3, row))
	case 4, 5:
		source = g.query(2)
	case 6:
		source = pick(g, g.join("(", g.query(1), ")"), g.join("WITH q AS (", g.query(1), ")", g.query(1)), g.join(g.kw("VALUES"), row(), "ORDER BY 1"), "TABLE x")
	case 7:
		source, columns = g.join(g.kw("DEFAULT"), g.kw("VALUES")), ""
	}
	return g.join(verb, g.kw("INTO"), g.table(), alias, columns, overriding, source, g.conflict(), g.returning())
}

func (g *generator) row(n int, item func() string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = item()
	}
	return strings.Join(parts, ", ")
}

func (g *generator) conflict() string {
	if g.chance(55) {
		return ""
	}
	target := pick(g, "", fmt.Sprintf("(%s)", g.column()), g.join("(", g.column(), ")", g.kw("WHERE"), g.expr(1)))
	if g.sqlite {
		target = pick(g, "", "(a)", "( b )")
	} else if g.chance(20) {
		target = g.join(g.kw("ON CONSTRAINT"), g.ident())
	}
	if g.chance(40) {
		return g.join(g.kw("ON"), g.kw("CONFLICT"), target, g.kw("DO"), g.kw("NOTHING"))
	}
	s := g.join(g.kw("ON"), g.kw("CONFLICT"), target, g.kw("DO"), g.kw("UPDATE"), g.kw("SET"), g.sets(), g.where())
	if g.sqlite && g.chance(30) {
		s = g.join("ON CONFLICT (a) DO NOTHING", s)
	}
	return s
}

// text is anything: a write, several statements, a write within another.
func (g *generator) text() string {
	if g.chance(70) {
		return g.join(pick(g, "", "", "-- DELETE FROM x;\n", "/* UPDATE */"), g.write(2, true), pick(g, "", "", ";", " ; -- ; end", "/* x */"))
	}
	switch g.Intn(14) {
	case 0:
		return g.write(1, true) + " ; " + g.write(1, true)
	case 1:
		return g.join(g.kw("EXPLAIN"), pick(g, "", "ANALYZE", "(ANALYZE, BUFFERS)", "(FORMAT json)", "ANALYZE VERBOSE", "VERBOSE"), g.write(1, true))
	case 2:
		return g.join(g.kw("PREPARE"), g.ident(), pick(g, "", "(int, text)"), g.kw("AS"), g.write(1, true))
	case 3:
		return g.join(g.kw("COPY"), g.table(), pick(g, "", "(a, b)"), pick(g, "FROM", "to"), "STDIN")
	case 4:
		return g.join("COPY (", g.write(1, true), ") TO STDOUT")
	case 5:
		return g.join(g.kw("TRUNCATE"), pick(g, "", "TABLE"), g.list(3, g.relation), pick(g, "", "CASCADE", "RESTART IDENTITY"))
	case 6:
		return g.join(g.with(true), g.query(1))
	case 7:
		return g.join("(", g.with(true), g.query(1), ")")
	case 8:
		return g.join("CREATE TABLE x AS", g.with(true), g.query(1))
	case 9:
		return g.query(2) + ";" + g.write(1, true)
	case 10:
		return g.join("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql", pick(g, "AS $$ DELETE FROM x; $$", "BEGIN ATOMIC DELETE FROM x; SELECT CASE WHEN a THEN 1 END; END"), ";", g.write(1, true))
	case 11:
		return pick(g, "BEGIN", "COMMIT", "SAVEPOINT a", "ROLLBACK TO a", "DO $$ BEGIN DELETE FROM x; END $$", "CALL p(1)", "SET a = 1", "SHOW a", "LOCK TABLE x",
			"GRANT UPDATE ON x TO y", "CREATE RULE r AS ON UPDATE TO t DO ALSO (DELETE FROM x; UPDATE y SET a = 1)", "VALUES (1)", "TABLE x") + pick(g, "", ";", "; "+g.write(1, true))
	case 12:
		return g.join("EXPLAIN ANALYZE", g.with(true), g.query(1))
	}
	return g.join(g.query(2), "; -- ", "\n", g.query(1))
}

// mutate drops, doubles, swaps or replaces a few words of a text: what still
// parses afterwards is seldom what anyone thought of.
func (g *generator) mutate(sql string) string {
	words := strings.Split(sql, " ")
	for range 1 + g.Intn(3) {
		if len(words) < 3 {
			break
		}
		i, j := g.Intn(len(words)), g.Intn(len(words))
		switch g.Intn(4) {
		case 0:
			words = append(words[:i], words[i+1:]...)
		case 1:
			words[i], words[j] = words[j], words[i]
		case 2:
			words[i] = words[j]
		case 3:
			words[i] = pick(g, "FROM", "WHERE", "SET", "ON", "CONFLICT", "DO", "RETURNING", "AS", "(", ")", ",", ".", "=", "USING", "DISTINCT", "JOIN", "VALUES", "SELECT",
				"UPDATE", "DELETE", "ORDER BY", "LIMIT", "FOR", "WITH", "'", "--", "/*", "*/", "$$", ";", "CASE", "END", "IS", "ONLY", "*", "DEFAULT", "NOT")
		}
	}
	return strings.Join(words, " ")
}
