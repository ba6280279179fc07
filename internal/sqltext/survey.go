package sqltext

import "strings"

// surveyed is what a full pass over a text finds.
type surveyed struct {
	verb    Verb // of the first statement
	target  Name // of the first statement
	several bool
	names   []Name
	certain bool
}

// survey reads every token of a text.
func survey(d Dialect, sql string) surveyed {
	s := surveyed{certain: true}
	p := surveyor{certain: true}
	p.d, p.sql, p.peekInside, p.names = d, sql, true, &s.names
	p.advance()
	for first := true; ; first = false {
		for p.tok.ch() == ';' {
			p.advance()
		}
		if p.tok.kind == kindEnd {
			break
		}
		verb, target := p.statement()
		p.rest()
		if first {
			s.verb, s.target = verb, target
		} else {
			s.several = true
		}
	}
	s.certain = p.certain && p.err == nil && !p.versioned && strings.IndexByte(sql, 0) < 0
	return s
}

// surveyor finds the tables that statements write to.
type surveyor struct {
	parser
	certain bool
}

// statement reads the head of a statement, as far as its targets go.
func (p *surveyor) statement() (Verb, Name) {
	kw := p.tok.kw
	verb := verbOf(kw)
	switch kw {
	case punct('('):
		return Select, Name{}
	case kwNone:
		p.unknown()
	case kwWith:
		var s Statement
		p.with(&s)
		return p.statement()
	case kwInsert, kwReplace, kwUpdate, kwDelete, kwMerge:
		return verb, p.record()
	case kwTruncate:
		return verb, p.truncated()
	case kwCopy:
		return verb, p.copied()
	case kwLoad:
		return verb, p.loaded()
	case kwExplain, kwDescribe:
		p.explained(false)
	case kwAnalyze:
		if p.d == MySQL { // MariaDB: ANALYZE UPDATE … executes it
			p.explained(true)
			verb = Explain
		}
	case kwPrepare:
		p.prepared()
	case kwExecute:
		p.certain = false
	case kwRollback, kwAbort:
		for !p.atEnd() {
			if p.is(kwTo) {
				verb = RollbackTo
			}
			p.advance()
		}
	case kwStart:
		if next := p.peek(); lower(p.word(next)) != "transaction" {
			verb = Other
		}
	case kwBegin:
		p.advance()
		if p.d == MySQL && !p.atEnd() && lower(p.word(p.tok)) != "work" {
			p.compound() // MariaDB: BEGIN NOT ATOMIC … END
		}
	case kwSet:
		p.advance()
		if p.d == MySQL && p.take(kwStatement) { // MariaDB: SET STATEMENT a = 1 FOR UPDATE …
			p.inner(kwFor)
		}
	case kwCreate:
		p.created()
	case kwFor:
		p.unknown()
	}
	return verb, Name{}
}

// rest moves past the rest of a statement, and records what statements in
// parentheses write to.
func (p *surveyor) rest() {
	for !p.atEnd() {
		if p.prev.ch() == '(' && p.write() {
			continue
		}
		p.advance()
	}
}

// record reads the head of a statement that changes rows and adds its targets to
// names. It returns the first.
func (p *parser) record() Name {
	var h head
	several := false
	switch p.tok.kw {
	case kwInsert, kwReplace:
		p.insertHead(&h)
	case kwUpdate:
		p.updateModifiers(&h)
		if p.d == MySQL {
			return p.references(1 << kwSet)
		}
		p.target(&h)
	case kwDelete:
		several = !p.deleteHead(&h)
	case kwMerge:
		p.advance()
		p.take(kwInto)
		p.target(&h)
	}
	p.add(h.target)
	if several {
		for p.takePunct(',') {
			n, _ := p.deletedTable()
			p.add(n)
		}
		p.advance() // FROM or USING
		p.references(1<<kwWhere | 1<<kwOrder | 1<<kwLimit | 1<<kwReturning)
	}
	return h.target
}

// references adds all tables of MySQL's table references, up to a keyword in
// stop, and returns the first. Which of them the statement changes is left open.
func (p *parser) references(stop keywordSet) (first Name) {
	expect := true
	depth := 0
	for !p.atEnd() && (depth > 0 || !stop.has(p.tok.kw)) {
		switch {
		case p.isPunct('(') && (!expect || p.holdsQuery()):
			p.group()
			expect = false
			continue
		case p.isPunct('('):
			depth++
		case p.isPunct(')') && depth > 0:
			depth--
		case p.tok.opens(), p.tok.closes():
			p.fail(p.tok.start, "unknown table reference")
			return first
		case p.isPunct(','), p.is(kwJoin), p.is(kwStraightJoin):
			expect = true
		case expect:
			n, _ := p.tableName()
			p.add(n)
			if first.IsZero() {
				first = n
			}
			expect = false
			continue
		}
		p.advance()
	}
	return first
}

func (p *parser) add(n Name) {
	if n.IsZero() || p.names == nil {
		return
	}
	for _, known := range *p.names {
		if known == n {
			return
		}
	}
	*p.names = append(*p.names, n)
}
