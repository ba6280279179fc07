package sqltext

import "strings"

// refuseNUL fails on a NUL byte, at which some drivers end the text.
func (p *parser) refuseNUL() {
	if i := strings.IndexByte(p.sql, 0); i >= 0 {
		p.fail(i, "NUL byte")
	}
}

// head is what a statement has up to its first clause: the fields of Statement of
// the same names. It keeps Glance from clearing a whole Statement.
type head struct {
	modifier   Span
	target     Name
	targetText Span
	only       bool
	alias      Span
	partition  Span
	hints      Span
}

func (h *head) into(s *Statement) {
	s.Modifier, s.Target, s.TargetText, s.Only = h.modifier, h.target, h.targetText, h.only
	s.Alias, s.Partition, s.Hints = h.alias, h.partition, h.hints
}

// modifiers moves past words from the given keywords and returns them.
func (p *parser) modifiers(kws ...keyword) Span {
	var s Span
	for {
		found := false
		for _, kw := range kws {
			if p.is(kw) {
				found = true
			}
		}
		if !found {
			return s
		}
		if s.Empty() {
			s.Start = p.tok.start
		}
		s.End = p.tok.end
		p.advance()
	}
}

// target reads a table, with PostgreSQL's ONLY and *.
func (p *parser) target(h *head) {
	paren := false
	if p.d == PostgreSQL && p.take(kwOnly) {
		h.only = true
		paren = p.takePunct('(')
	}
	h.target, h.targetText = p.tableName()
	if paren && !p.takePunct(')') {
		p.fail(p.tok.start, "ONLY without a closing parenthesis")
	}
	if p.d == PostgreSQL && !h.only {
		p.takePunct('*')
	}
}

// alias reads AS name, or a name alone where the dialect allows that.
func (p *parser) alias(h *head, needAs bool) {
	switch {
	case p.is(kwAs):
		p.advance()
	case needAs, p.tok.kind != kindWord && p.tok.kind != kindIdent && p.tok.kind != kindUIdent:
		return
	case p.d == PostgreSQL && (p.tok.kw == kwConflict || p.tok.kw == kwForce || p.tok.kw == kwLock || p.tok.kw == kwUse):
		// names there
	case p.tok.kw != kwNone && p.tok.kw <= kwWith, p.is(kwPartition), p.is(kwIgnore), p.is(kwNot), p.is(kwIndexed):
		return
	}
	if p.tok.kind != kindUIdent {
		if _, reason := p.part(p.tok); reason != "" {
			p.fail(p.tok.start, reason)
			return
		}
	}
	h.alias = Span{p.tok.start, p.tok.end}
	p.advance()
}

// hints reads what MySQL and SQLite allow after a table about its indexes.
func (p *parser) hints(h *head) {
	start := p.tok.start
	switch p.d {
	case MySQL:
		for p.is(kwUse) || p.is(kwIgnore) || p.is(kwForce) {
			for !p.atEnd() && !p.isPunct('(') {
				if p.is(kwSet) || p.is(kwWhere) {
					p.fail(p.tok.start, "index hint without a list")
					return
				}
				p.advance()
			}
			p.group()
			h.hints = Span{start, p.prev.end}
			if p.isPunct(',') && (p.peek().kw == kwUse || p.peek().kw == kwIgnore || p.peek().kw == kwForce) {
				p.advance()
			}
		}
	case SQLite:
		switch {
		case p.is(kwNot) && p.peek().kw == kwIndexed:
			p.advance()
			p.advance()
			h.hints = Span{start, p.prev.end}
		case p.take(kwIndexed):
			if !p.take(kwBy) {
				p.fail(p.tok.start, "INDEXED without BY")
				return
			}
			if _, reason := p.part(p.tok); reason != "" {
				p.fail(p.tok.start, reason)
				return
			}
			p.advance()
			h.hints = Span{start, p.prev.end}
		}
	}
}

func (p *parser) partition(h *head) {
	if p.d != MySQL || !p.is(kwPartition) || !h.partition.Empty() {
		return
	}
	start := p.tok.start
	p.advance()
	if !p.isPunct('(') {
		p.fail(p.tok.start, "PARTITION without a list")
		return
	}
	p.group()
	h.partition = Span{start, p.prev.end}
}

// tail reads WHERE, ORDER BY, LIMIT and RETURNING, which UPDATE and DELETE share.
func (p *parser) tail(s *Statement) {
	if p.take(kwWhere) {
		if p.is(kwCurrent) && strings.EqualFold(p.word(p.peek()), "of") {
			p.fail(p.tok.start, "WHERE CURRENT OF")
			return
		}
		s.Where = p.clause("WHERE", p.after(kwWhere), p.forbidden(), false)
	}
	p.orderLimit(s)
	p.returning(s)
	if p.d == SQLite { // there the two come last
		p.orderLimit(s)
	}
}

// after returns the keywords that may follow a clause and end it.
func (p *parser) after(kw keyword) (stop keywordSet) {
	switch kw {
	case kwSet:
		stop = 1<<kwWhere | 1<<kwReturning
		if p.d != MySQL {
			stop |= 1 << kwFrom
		}
	case kwFrom, kwUsing:
		stop = 1<<kwWhere | 1<<kwReturning
	case kwWhere:
		stop = 1 << kwReturning
	case kwOrder:
		return 1<<kwLimit | 1<<kwReturning
	case kwLimit, kwReturning:
		stop = 1 << kwReturning
	}
	if p.d != PostgreSQL && kw != kwLimit {
		stop |= 1<<kwOrder | 1<<kwLimit
	}
	if kw == kwReturning {
		stop &^= 1 << kwReturning
	}
	return stop
}

func (p *parser) orderLimit(s *Statement) {
	if p.d == PostgreSQL {
		return
	}
	if p.is(kwOrder) && s.OrderBy.Empty() {
		p.advance()
		if !p.take(kwBy) {
			p.fail(p.tok.start, "ORDER without BY")
			return
		}
		s.OrderBy = p.clause("ORDER BY", p.after(kwOrder), p.forbidden(), false)
	}
	if p.is(kwLimit) && s.Limit.Empty() {
		p.advance()
		s.Limit = p.clause("LIMIT", p.after(kwLimit), p.forbidden(), false)
	}
}

func (p *parser) returning(s *Statement) {
	if !p.is(kwReturning) {
		return
	}
	p.advance()
	if p.d == PostgreSQL && p.is(kwWith) {
		p.advance()
		if !p.isPunct('(') {
			p.fail(p.tok.start, "RETURNING WITH without a list")
			return
		}
		s.ReturningWith = p.group()
	}
	var stop keywordSet
	if p.d == SQLite {
		stop = p.after(kwReturning)
	}
	forbid := p.forbidden()
	if p.d == MySQL {
		// Whatever may follow a table's alias: "… FROM t returning JOIN u".
		forbid |= 1<<kwFor | 1<<kwForce | 1<<kwLock | 1<<kwUse | 1<<kwWindow
	}
	s.Returning = p.clause("RETURNING", stop, forbid, false)
}

func (p *parser) word(t token) string { return p.sql[t.start:t.end] }
