package judge

import (
	"fmt"
	"strings"
)

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
