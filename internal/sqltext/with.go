package sqltext

// with reads WITH up to the main verb.
func (p *parser) with(s *Statement) {
	s.With.Start = p.tok.start
	p.advance()
	if next := p.peek(); p.is(kwRecursive) && next.kw != kwAs && next.ch() != '(' { // else it is a name
		s.Recursive = true
		p.advance()
	}
	for {
		p.expression(s)
		s.With.End = p.prev.end
		if p.err != nil || !p.takePunct(',') {
			return
		}
	}
}

// expression reads name (columns) AS [NOT] MATERIALIZED (statement).
func (p *parser) expression(s *Statement) {
	name, reason := p.part(p.tok)
	if reason != "" && p.tok.kind != kindUIdent && p.tok.kind != kindDouble {
		p.fail(p.tok.start, reason)
		return
	}
	s.WithNames = append(s.WithNames, name)
	p.advance()
	if p.isPunct('(') {
		p.group()
	}
	if !p.take(kwAs) {
		p.fail(p.tok.start, "WITH without AS")
		return
	}
	p.take(kwNot)
	p.take(kwMaterialized)
	if !p.isPunct('(') {
		p.fail(p.tok.start, "WITH without a statement in parentheses")
		return
	}
	if p.groupWrites() {
		s.WithWrites = true
	}
	if p.take(kwSearch) {
		p.upTo(kwSet) // SEARCH DEPTH FIRST BY a, b SET c
		p.advance()
	}
	if p.take(kwCycle) {
		p.cycle()
	}
}

// cycle reads a, b SET c [TO value DEFAULT value] USING d, or MariaDB's a, b
// RESTRICT.
func (p *parser) cycle() {
	if p.d == MySQL {
		for !p.atEnd() && !p.closesCycle() {
			p.advance()
		}
		p.advance()
		return
	}
	p.upTo(kwSet)
	p.upTo(kwUsing)
	p.advance()
}

func (p *parser) closesCycle() bool { return lower(p.word(p.tok)) == "restrict" }

// upTo moves past the keyword, which has to come before any parenthesis.
func (p *parser) upTo(kw keyword) {
	for !p.is(kw) {
		if p.atEnd() || p.tok.opens() || p.tok.closes() {
			p.fail(p.tok.start, "SEARCH or CYCLE out of place")
			return
		}
		p.advance()
	}
	p.advance()
}

// groupWrites moves past a group and says whether a statement that changes rows
// may stand in it.
func (p *parser) groupWrites() (writes bool) {
	open := p.tok
	depth := 0
	for {
		switch {
		case p.atEnd():
			p.fail(open.start, "unclosed parenthesis")
			return true
		case p.tok.opens():
			depth++
		case p.tok.closes():
			if depth--; depth == 0 {
				p.advance()
				return writes
			}
		case p.prev.ch() == '(':
			if p.write() {
				writes = true
				continue
			}
		}
		p.advance()
	}
}

// write reads the head of a statement in parentheses, right after the opening
// one, if it changes rows. In doubt it does. Only PostgreSQL has such.
func (p *parser) write() bool {
	if p.d != PostgreSQL {
		return false
	}
	writes := false
	if p.is(kwWith) {
		var s Statement
		p.with(&s)
		writes = s.WithWrites
		switch p.tok.kw {
		case kwInsert, kwUpdate, kwDelete, kwMerge:
		default:
			return writes
		}
	} else if !p.startsWrite() {
		return false
	}
	if p.names == nil {
		p.advance()
	} else {
		p.record()
	}
	return true
}

// startsWrite tells the verb of a statement from a column of that name.
func (p *parser) startsWrite() bool {
	switch next := p.peek(); p.tok.kw {
	case kwInsert, kwMerge:
		return next.kw == kwInto
	case kwDelete:
		if next.kw != kwFrom {
			return false
		}
		trial := *p
		trial.advance()
		next = trial.peek() // substring(delete FROM 1)
		return next.kind == kindIdent || next.kind == kindUIdent || next.kind == kindWord
	case kwUpdate:
		return next.kind == kindIdent || next.kind == kindUIdent || next.kind == kindWord && !p.followsColumn(next)
	}
	return false
}

// followsColumn says whether a word that PostgreSQL reserves goes on after a
// column, so that it can't be a table.
func (p *parser) followsColumn(t token) bool {
	switch lower(p.word(t)) {
	case "and", "as", "asc", "collate", "desc", "except", "fetch", "for", "from", "group", "having", "ilike", "in",
		"intersect", "into", "is", "isnull", "like", "limit", "not", "notnull", "offset", "on", "or", "order", "overlaps",
		"returning", "similar", "then", "to", "union", "using", "when", "where", "window", "end", "else":
		return true
	}
	return false
}
