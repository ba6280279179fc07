package judge

// mariadbGenerator writes statements of MariaDB.
type mariadbGenerator struct{ generator }

func (g *mariadbGenerator) gap() string {
	if g.chance(85) {
		return " "
	}
	return pick(&g.generator, "\n", "\t", " /* ; ' WHERE */ ", " # it's; FROM\n", " -- \"\n", " --\n", "/**/", " /* /* */ ")
}

func (g *mariadbGenerator) join(parts ...string) string { return join(g.gap, parts) }

func (g *mariadbGenerator) table() string {
	return pick(&g.generator, "t", "u", "`t`", "`update`", "`it's`", "u")
}

func (g *mariadbGenerator) column() string {
	return pick(&g.generator, "a", "b", "`from`", "`set`", "conflict", "`a`", "B")
}

func (g *mariadbGenerator) expr(depth int) string {
	p := &g.generator
	if depth <= 0 || g.chance(30) {
		return pick(p, g.column(), g.column(), "1", "'x'", "'it''s'", `'it\'s'`, `'\\'`, `';'`, `"dq ' x"`, `"a""b"`, "NULL", "1.5", ".5", "1e1", "x'31'", "_utf8'x'", "N'x'", "TRUE", "'a' 'b'", "'-- '", "'/*'", "0x31", "'#'")
	}
	e := func() string { return g.expr(depth - 1) }
	switch g.Intn(14) {
	case 0, 1:
		return g.join(e(), pick(p, "=", "<>", "+", "-", "--", "<=>", "||", "&&", "LIKE", "AND", "or", "XOR", "%", "DIV", "NOT LIKE", "RLIKE"), e())
	case 2:
		return g.join("(", e(), ")")
	case 3:
		return g.join(g.kw("CASE"), g.kw("WHEN"), e(), g.kw("THEN"), e(), g.kw("ELSE"), e(), g.kw("END"))
	case 4:
		return g.join("(", g.query(depth-1), pick(p, "LIMIT 1", "limit 1"), ")")
	case 5:
		return g.join("REPLACE(", e(), ",", e(), ",", e(), ")")
	case 6:
		return g.join("INSERT(", e(), ", 1, 1,", e(), ")")
	case 7:
		return g.join("SUBSTRING(", e(), g.kw("FROM"), "1", g.kw("FOR"), "2", ")")
	case 8:
		return g.join("TRIM(", g.kw("BOTH"), "'x'", g.kw("FROM"), e(), ")")
	case 9:
		return g.join("EXISTS (", g.query(depth-1), ")")
	case 10:
		return g.join("IF(", e(), ",", e(), ",", e(), ")")
	case 11:
		return g.join("CONVERT(", e(), g.kw("USING"), "utf8)")
	case 12:
		return g.join(e(), g.kw("COLLATE"), "utf8mb4_bin")
	}
	return g.join(e(), g.kw("IN"), "(", e(), ",", e(), ")")
}

func (g *mariadbGenerator) query(depth int) string {
	p := &g.generator
	s := g.join(g.kw("SELECT"), pick(p, "", "DISTINCT", "STRAIGHT_JOIN"), g.expr(depth), pick(p, "", "AS `from`", "z"), g.kw("FROM"), g.table(), pick(p, "", "AS x", "y", "USE INDEX (a)"))
	if g.chance(25) {
		s = g.join(s, pick(p, "JOIN", "LEFT JOIN", "STRAIGHT_JOIN"), g.table(), g.kw("AS"), "w", g.kw("ON"), "w.a = '1'")
	}
	if g.chance(50) {
		s = g.join(s, g.kw("WHERE"), g.expr(depth))
	}
	if g.chance(10) {
		s = g.join(s, pick(p, "GROUP BY 1", "ORDER BY 1", "FOR UPDATE", "LOCK IN SHARE MODE", "UNION SELECT 1"))
	}
	return s
}

func (g *mariadbGenerator) sets(prefix string) string {
	return g.list(3, func() string {
		return g.join(prefix+g.column(), pick(&g.generator, "=", "=", ":="), pick(&g.generator, g.expr(2), g.expr(2), "DEFAULT"))
	})
}

func (g *mariadbGenerator) tail(returning bool) string {
	s := ""
	if g.chance(75) {
		s = g.join(g.kw("WHERE"), g.expr(3))
	}
	if g.chance(25) {
		s = g.join(s, g.kw("ORDER"), g.kw("BY"), "a", pick(&g.generator, "", "DESC"))
		if g.chance(60) {
			s = g.join(s, g.kw("LIMIT"), "2")
		}
	}
	if returning {
		s = g.join(s, g.returning())
	}
	return s
}

func (g *mariadbGenerator) returning() string {
	if g.chance(60) {
		return ""
	}
	return g.join(g.kw("RETURNING"), pick(&g.generator, "*", g.list(2, func() string { return g.join(g.expr(1), pick(&g.generator, "", "AS `x`")) })))
}

func (g *mariadbGenerator) write() string {
	p := &g.generator
	switch g.Intn(8) {
	case 0, 1:
		return g.join(g.kw("UPDATE"), pick(p, "", "IGNORE", "LOW_PRIORITY IGNORE"), g.table(), pick(p, "", "AS x", "y"), pick(p, "", "", "FORCE INDEX (a)"), g.kw("SET"), g.sets(""), g.tail(false))
	case 2, 3:
		return g.join(g.kw("DELETE"), pick(p, "", "QUICK", "IGNORE"), g.kw("FROM"), g.table(), g.tail(true))
	case 4:
		return g.join(g.kw("UPDATE"), pick(p, "t AS x JOIN u AS y ON x.a = y.a", "t x, u y", "(t x, u y)", "t x LEFT JOIN (u AS y, `update`) USING (a)", "u y STRAIGHT_JOIN t x"), g.kw("SET"), g.sets(pick(p, "x.", "y.")))
	case 5:
		return pick(p, "DELETE x FROM t AS x JOIN u USING (a)", "DELETE FROM x, u USING t x CROSS JOIN u WHERE x.b", "DELETE t.*, `it's` FROM t, `it's`", "DELETE FROM t USING t")
	}
	source := g.query(2)
	columns := "(" + g.column() + ")"
	switch g.Intn(4) {
	case 0, 1:
		source = g.join(pick(p, "VALUES", "VALUE"), g.list(2, func() string { return g.join("(", pick(p, g.expr(2), "'1'", "'x'"), ")") }))
	case 2:
		source, columns = g.join(g.kw("SET"), g.sets("")), ""
	}
	verb := pick(p, g.kw("INSERT"), g.kw("INSERT"), "INSERT IGNORE", g.kw("REPLACE"))
	s := g.join(verb, pick(p, g.kw("INTO"), ""), g.table(), columns, source)
	if verb != "REPLACE" && g.chance(45) {
		s = g.join(s, g.kw("ON"), g.kw("DUPLICATE"), g.kw("KEY"), g.kw("UPDATE"), g.list(2, func() string { return g.join(g.column(), "=", pick(p, "VALUES(a)", g.expr(1))) }))
	}
	return g.join(s, g.returning())
}
