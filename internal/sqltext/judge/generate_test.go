package judge

import (
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

func (g *generator) join(parts ...string) string { return join(g.gap, parts) }

// join puts a gap between parts that aren't empty.
func join(gap func() string, parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(gap())
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
