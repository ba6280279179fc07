package sqltext

// conflict reads one ON CONFLICT or ON DUPLICATE KEY clause.
func (p *parser) conflict(s *Statement) {
	if s.OnConflict.Empty() {
		s.OnConflict.Start = p.tok.start
	}
	p.advance()
	var c Conflict
	if p.d == MySQL {
		p.duplicateKey(&c)
	} else {
		p.onConflict(&c)
	}
	if p.d == PostgreSQL && p.is(kwOn) {
		p.fail(p.tok.start, "second ON CONFLICT")
	}
	s.Conflicts = append(s.Conflicts, c)
	s.OnConflict.End = p.prev.end
}

func (p *parser) duplicateKey(c *Conflict) {
	if !p.take(kwDuplicate) || !p.take(kwKey) || !p.take(kwUpdate) {
		p.fail(p.tok.start, "ON without DUPLICATE KEY UPDATE")
		return
	}
	c.Kind = DuplicateKey
	c.Set, c.Assignments = p.assignments(1 << kwReturning)
}

func (p *parser) onConflict(c *Conflict) {
	if !p.take(kwConflict) {
		p.fail(p.tok.start, "ON without CONFLICT")
		return
	}
	if start := p.tok.start; !p.is(kwDo) {
		p.conflictTarget()
		c.Target = Span{start, p.prev.end}
	}
	if !p.take(kwDo) {
		p.fail(p.tok.start, "ON CONFLICT without DO")
		return
	}
	if p.take(kwNothing) {
		c.Kind = DoNothing
		return
	}
	if !p.take(kwUpdate) || !p.take(kwSet) {
		p.fail(p.tok.start, "DO without NOTHING or UPDATE SET")
		return
	}
	c.Kind = DoUpdate
	stop := keywordSet(1<<kwWhere | 1<<kwReturning)
	if p.d == SQLite {
		stop |= 1 << kwOn
	}
	c.Set, c.Assignments = p.assignments(stop)
	if p.take(kwWhere) {
		c.Where = p.clause("WHERE", stop&^(1<<kwWhere), p.forbidden(), false)
	}
}

// conflictTarget reads (columns) [WHERE …], or ON CONSTRAINT name.
func (p *parser) conflictTarget() {
	if p.d == PostgreSQL && p.take(kwOn) {
		if !p.take(kwConstraint) {
			p.fail(p.tok.start, "ON CONFLICT ON without CONSTRAINT")
			return
		}
		if _, reason := p.part(p.tok); reason != "" && p.tok.kind != kindUIdent {
			p.fail(p.tok.start, reason)
			return
		}
		p.advance()
		return
	}
	if !p.isPunct('(') {
		p.fail(p.tok.start, "ON CONFLICT without columns or DO")
		return
	}
	p.group()
	if p.take(kwWhere) {
		p.clause("WHERE", 1<<kwDo, p.forbidden(), false)
	}
}
