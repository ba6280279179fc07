package sqltext

// with reads WITH up to the main verb.
func (p *parser) with(s *Statement) {
	s.With.Start = p.tok.start
	p.advance()
	s.Recursive = p.take(kwRecursive)
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
	if _, reason := p.part(p.tok); reason != "" && p.tok.kind != kindUIdent && p.tok.kind != kindDouble {
		p.fail(p.tok.start, reason)
		return
	}
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
		case p.startsWrite():
			writes = true
			if p.names != nil {
				p.record()
				continue
			}
		}
		p.advance()
	}
}

// startsWrite says whether the current token may be the verb of a statement
// within parentheses that changes rows: UPDATE and its like right after a
// parenthesis, whichever way it faces, with something to write to. Columns,
// functions and clauses such as FOR UPDATE are told apart; in doubt, it is one.
func (p *parser) startsWrite() bool {
	if p.prev.ch != '(' && p.prev.ch != ')' {
		return false
	}
	switch p.tok.kw {
	case kwInsert:
		return p.d != PostgreSQL && p.peek().ch != '(' || p.peek().kw == kwInto
	case kwDelete:
		return p.d == MySQL || p.peek().kw == kwFrom
	case kwMerge:
		return p.peek().kw == kwInto
	case kwReplace:
		return p.d != PostgreSQL && p.peek().ch != '('
	case kwUpdate:
		k := p.peek().kind
		return k == kindWord || k == kindIdent || k == kindUIdent || k == kindDouble || k == kindString
	}
	return false
}
