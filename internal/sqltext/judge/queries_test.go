package judge

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
