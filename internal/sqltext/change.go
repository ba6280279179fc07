package sqltext

// updateModifiers reads UPDATE and what may come before the table.
func (p *parser) updateModifiers(h *head) {
	p.advance()
	switch p.d {
	case SQLite:
		p.orModifier(h)
	case MySQL:
		h.modifier = p.modifiers(kwLowPriority, kwIgnore)
	}
}

// orModifier reads SQLite's OR … of an INSERT or UPDATE.
func (p *parser) orModifier(h *head) {
	if p.is(kwOr) {
		h.modifier.Start = p.tok.start
		p.advance()
		h.modifier.End = p.tok.end
		p.advance()
	}
}

// table reads a table with everything that may go with it.
func (p *parser) table(h *head) {
	p.target(h)
	p.partition(h)
	p.alias(h, p.d == SQLite)
	p.partition(h)
	p.hints(h)
}

func (p *parser) update(s *Statement) {
	var h head
	p.updateModifiers(&h)
	before := *p
	if p.d == MySQL && p.isPunct('(') {
		h.into(s)
		p.tables(s, before)
	} else {
		p.table(&h)
		h.into(s)
		if p.d == MySQL && !p.is(kwSet) && p.err == nil {
			p.tables(s, before)
		}
	}
	if !p.take(kwSet) {
		p.fail(p.tok.start, "UPDATE without SET")
		return
	}
	s.Set, s.Assignments = p.assignments(p.after(kwSet))
	if p.d != MySQL && p.take(kwFrom) {
		s.From = p.clause("FROM", p.after(kwFrom), p.forbidden()&^(1<<kwOn|1<<kwUsing|1<<kwFrom), false)
	}
	p.tail(s)
}

// tables reads the table references of a MySQL statement over several tables,
// from the state before the first, having seen that they aren't a single one.
func (p *parser) tables(s *Statement, before parser) {
	s.MultiTable = true
	s.Alias, s.Hints, s.Partition = Span{}, Span{}, Span{}
	if s.Target.IsZero() {
		saved := *p
		for p.isPunct('(') {
			p.advance()
		}
		s.Target, s.TargetText = p.tableName()
		if p.err != nil {
			return
		}
		*p = saved
	}
	if !p.isPunct('(') && !p.isPunct(',') && !p.joins() {
		p.fail(p.tok.start, "text after the table")
		return
	}
	*p = before
	s.Tables = p.tableReferences(1 << kwSet)
}

// tableReferences reads the tables of a MySQL statement over several.
func (p *parser) tableReferences(stop keywordSet) Span {
	trial := *p
	if trial.references(stop); trial.err != nil {
		*p = trial
		return Span{}
	}
	return p.clause("table references", stop, notInExpression&^(1<<kwOn|1<<kwUsing), false)
}

// joins says whether the current token starts a join.
func (p *parser) joins() bool {
	switch p.tok.kw {
	case kwJoin, kwStraightJoin, kwCross, kwNatural:
		return true
	}
	if p.tok.kind != kindWord {
		return false
	}
	switch lower(p.word(p.tok)) {
	case "inner", "left", "right", "full":
		return true
	}
	return false
}

// deleteHead reads DELETE up to the end of the first table. It returns false for
// MySQL's forms with several tables, at the token after the first.
func (p *parser) deleteHead(h *head) (one bool) {
	p.advance()
	if p.d != MySQL {
		if !p.take(kwFrom) {
			p.fail(p.tok.start, "DELETE without FROM")
			return true
		}
		p.target(h)
		return true
	}
	h.modifier = p.modifiers(kwLowPriority, kwQuick, kwIgnore)
	from := p.take(kwFrom)
	h.target, h.targetText = p.deletedTable()
	return from && p.prev.ch() != '*' && !p.isPunct(',') && !p.is(kwUsing)
}

func (p *parser) delete(s *Statement) {
	var h head
	one := p.deleteHead(&h)
	if one {
		p.partition(&h)
		p.alias(&h, p.d == SQLite)
		p.partition(&h)
		p.hints(&h)
	}
	h.into(s)
	if !one {
		p.deleteSeveral(s)
		return
	}
	if p.d == PostgreSQL && p.take(kwUsing) {
		s.From = p.clause("USING", p.after(kwUsing), p.forbidden()&^(1<<kwOn|1<<kwUsing|1<<kwFrom), false)
	}
	p.tail(s)
}

// deleteSeveral reads MySQL's DELETE a, b FROM a JOIN b and DELETE FROM a, b
// USING a JOIN b, past the first a.
func (p *parser) deleteSeveral(s *Statement) {
	for p.takePunct(',') {
		p.deletedTable()
	}
	if !p.take(kwFrom) && !p.take(kwUsing) {
		p.fail(p.tok.start, "DELETE of several tables without FROM or USING")
		return
	}
	s.MultiTable = true
	s.Tables = p.tableReferences(p.after(kwFrom))
	p.tail(s)
}

// deletedTable reads a, b.a or a.*.
func (p *parser) deletedTable() (Name, Span) {
	saved := *p
	n, span := p.tableName()
	if p.err == nil {
		return n, span
	}
	*p = saved
	name, reason := p.part(p.tok)
	if reason != "" {
		p.fail(p.tok.start, reason)
		return Name{}, Span{}
	}
	span = Span{p.tok.start, p.tok.end}
	p.advance()
	if !p.takePunct('.') || !p.takePunct('*') {
		p.fail(p.tok.start, "no name of a table")
	}
	return Name{Table: name}, span
}
