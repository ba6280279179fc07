package sqltext

// insertHead reads INSERT or REPLACE up to the target.
func (p *parser) insertHead(h *head) {
	p.advance()
	switch p.d {
	case SQLite:
		p.orModifier(h)
	case MySQL:
		h.modifier = p.modifiers(kwLowPriority, kwHighPriority, kwDelayed, kwIgnore)
	}
	if !p.take(kwInto) && p.d != MySQL {
		p.fail(p.tok.start, "INSERT without INTO")
		return
	}
	h.target, h.targetText = p.tableName()
}

func (p *parser) insert(s *Statement) {
	var h head
	p.insertHead(&h)
	if p.d != MySQL {
		p.alias(&h, true)
	}
	p.partition(&h)
	h.into(s)
	if p.isPunct('(') && !p.holdsQuery() {
		s.Columns = p.group()
	}
	if p.d == PostgreSQL && p.is(kwOverriding) {
		s.Overriding.Start = p.tok.start
		p.advance()
		p.advance()
		s.Overriding.End = p.tok.end
		if !p.take(kwValue) {
			p.fail(p.tok.start, "OVERRIDING without VALUE")
			return
		}
	}
	p.source(s)
	for p.is(kwOn) && p.err == nil {
		p.conflict(s)
	}
	p.returning(s)
}

func (p *parser) source(s *Statement) {
	start := p.tok.start
	switch {
	case p.take(kwDefault):
		if !p.take(kwValues) {
			p.fail(p.tok.start, "DEFAULT without VALUES")
		}
		s.SourceKind = SourceDefault
	case p.d == MySQL && p.take(kwSet):
		s.SourceKind = SourceSet
		s.Set, s.Assignments = p.assignments(1<<kwOn | 1<<kwReturning | 1<<kwAs)
		p.rowAlias(s)
		s.Source = s.Set
		s.Source.Start = start
		return
	case p.is(kwValues), p.d == MySQL && p.is(kwValue):
		p.advance()
		if p.rows(s) {
			s.Source = Span{start, s.Rows.End}
			p.rowAlias(s)
			return
		}
		s.Rows = Span{}
		p.query(s)
	case p.is(kwSelect), p.is(kwWith), p.is(kwTable), p.isPunct('(') && p.holdsQuery():
		p.query(s)
	default:
		p.fail(p.tok.start, "INSERT without a source")
	}
	s.Source = Span{start, p.prev.end}
}

// rows reads (…), (…) and says whether that was all of the source.
func (p *parser) rows(s *Statement) bool {
	s.Rows.Start = p.tok.start
	for {
		if p.d == MySQL && lower(p.word(p.tok)) == "row" {
			p.advance()
		}
		if !p.isPunct('(') {
			break
		}
		p.group()
		s.Rows.End = p.prev.end
		if !p.takePunct(',') {
			break
		}
	}
	if p.prev.ch() != ')' {
		return false
	}
	s.SourceKind = SourceValues
	return p.atEnd() || p.is(kwOn) || p.is(kwReturning) || p.d == MySQL && p.is(kwAs)
}

// rowAlias reads MySQL's name for the new row.
func (p *parser) rowAlias(s *Statement) {
	if p.d != MySQL || !p.take(kwAs) {
		return
	}
	s.RowAlias.Start = p.tok.start
	if _, reason := p.part(p.tok); reason != "" {
		p.fail(p.tok.start, reason)
		return
	}
	p.advance()
	if p.isPunct('(') {
		p.group()
	}
	s.RowAlias.End = p.prev.end
}

// query reads a query as INSERT's source, up to ON CONFLICT, ON DUPLICATE KEY or
// RETURNING. Its own clauses don't matter but for one: a join has an ON too, and
// a column may be named conflict.
func (p *parser) query(s *Statement) {
	s.SourceKind = SourceQuery
	inFrom := false
	joins := 0         // that may still get an ON or USING
	unmatched := false // the next join takes none
	for !p.atEnd() {
		switch {
		case p.tok.opens():
			p.group()
			continue
		case p.tok.closes():
			p.fail(p.tok.start, "unopened parenthesis")
			return
		case p.tok.kind != kindWord || p.tok.kw == kwNone:
		case p.prev.kw == kwAs && p.tok.kw != kwMaterialized && p.tok.kw != kwNot:
			p.tok.kw = kwNone // a label, whatever it spells
		case p.is(kwReturning):
			if p.stops() {
				return
			}
		case p.is(kwFrom):
			inFrom = inFrom || p.prev.kw != kwDistinct
		case p.is(kwWhere), p.is(kwGroup), p.is(kwHaving), p.is(kwOrder), p.is(kwLimit), p.is(kwWindow) && p.d != MySQL,
			p.is(kwUnion), p.is(kwIntersect), p.is(kwExcept):
			inFrom, joins = false, 0
		case p.is(kwCross), p.is(kwNatural):
			unmatched = true
		case p.is(kwJoin) || p.is(kwStraightJoin):
			if inFrom && !unmatched {
				joins++
			}
			unmatched = false
		case p.is(kwUsing):
			joins = max(joins-1, 0)
		case p.is(kwOn):
			switch p.on(inFrom, joins) {
			case onConflict, onFault:
				return
			}
			joins = max(joins-1, 0)
		}
		p.advance()
	}
}

type onKind uint8

const (
	onJoin onKind = iota
	onConflict
	onFault
)

// on says what the ON at the current token belongs to.
func (p *parser) on(inFrom bool, joins int) onKind {
	next := p.peek()
	if p.d == MySQL {
		if next.kw == kwDuplicate {
			saved := *p
			p.advance()
			key := p.peek().kw == kwKey // reserved, so no operator is left out here
			*p = saved
			if key {
				return onConflict
			}
		}
		if inFrom {
			return onJoin
		}
	} else {
		pending := joins > 0
		if p.d == SQLite {
			// SQLite takes an ON for a join's wherever a FROM clause may go on.
			pending = inFrom
		}
		switch {
		case next.kw == kwConflict && !pending:
			return onConflict
		case next.kw == kwConflict:
			p.fail(p.tok.start, "ON CONFLICT that may be a join's ON")
			return onFault
		case pending, p.prev.kw == kwDistinct:
			return onJoin
		}
	}
	p.fail(p.tok.start, "ON out of place")
	return onFault
}
