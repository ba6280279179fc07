package sqltext

// parser walks over the tokens of one text. The first failure sticks, and makes
// the current token the end, so that no loop runs on.
type parser struct {
	lexer
	tok  token // the current one
	prev token // the one before
	err  *Error

	// names collects the tables that statements in parentheses write to, if set.
	names *[]Name
}

func (p *parser) fail(at int, reason string) {
	if p.err == nil {
		p.err = &Error{Offset: at, Reason: reason}
	}
	p.pos = len(p.sql)
	p.tok = token{start: at, end: at}
}

func (p *parser) advance() {
	p.prev = p.tok
	p.tok = p.next()
	if p.tok.kind == kindWord && p.prev.ch() == '.' {
		p.tok.kw = kwNone // a name, whatever it spells
	}
	if p.tok.kind == kindEnd && p.fault != "" && p.err == nil {
		p.err = &Error{Offset: p.tok.start, Reason: p.fault}
	}
}

// peek returns the token after the current one.
func (p *parser) peek() token {
	saved := p.lexer
	t := p.next()
	p.lexer = saved
	return t
}

func (p *parser) is(kw keyword) bool { return p.tok.kw == kw }

func (p *parser) isPunct(ch byte) bool { return p.tok.kw == punct(ch) }

// take moves past the keyword if it is the current token.
func (p *parser) take(kw keyword) bool {
	if p.tok.kw != kw {
		return false
	}
	p.advance()
	return true
}

func (p *parser) takePunct(ch byte) bool {
	if p.tok.kw != punct(ch) {
		return false
	}
	p.advance()
	return true
}

// atEnd says whether the statement is over.
func (p *parser) atEnd() bool { return p.tok.kind == kindEnd || p.tok.ch() == ';' }

// opens and closes count parentheses and PostgreSQL's brackets alike: a text that
// mixes them up is no statement anyway.
func (t token) opens() bool  { return t.ch() == '(' || t.ch() == '[' || t.ch() == '{' }
func (t token) closes() bool { return t.ch() == ')' || t.ch() == ']' || t.ch() == '}' }

// group moves past a parenthesised group and returns what it holds.
func (p *parser) group() Span {
	open := p.tok
	depth := 0
	for {
		switch {
		case p.atEnd():
			p.fail(open.start, "unclosed parenthesis")
			return Span{}
		case p.tok.opens():
			depth++
		case p.tok.closes():
			if depth--; depth == 0 {
				inside := Span{open.end, p.tok.start}
				p.advance()
				return inside
			}
		}
		p.advance()
	}
}

// holdsQuery says whether the group at the current token is a query in
// parentheses, and not a list of names.
func (p *parser) holdsQuery() bool {
	saved := *p
	defer func() { *p = saved }()
	for p.isPunct('(') {
		p.advance()
	}
	switch p.tok.kw {
	case kwSelect, kwWith, kwTable:
		return true
	case kwValues: // PostgreSQL allows a column of this name
		p.advance()
		return p.isPunct('(') || p.d == MySQL
	}
	return false
}

// Keywords that can't stand in an expression outside parentheses.
const notInExpression keywordSet = 1<<kwSelect | 1<<kwFrom | 1<<kwWhere | 1<<kwGroup | 1<<kwHaving |
	1<<kwOrder | 1<<kwLimit | 1<<kwUnion | 1<<kwIntersect | 1<<kwExcept | 1<<kwInto | 1<<kwUsing |
	1<<kwOn | 1<<kwReturning

// Reserved on PostgreSQL; names elsewhere.
const notInExpressionPostgreSQL keywordSet = 1<<kwOffset | 1<<kwFetch | 1<<kwFor | 1<<kwWindow

// forbidden returns the keywords that betray an expression as something else.
func (p *parser) forbidden() keywordSet {
	switch p.d {
	case PostgreSQL:
		return notInExpression | notInExpressionPostgreSQL
	case MySQL:
		return notInExpression | 1<<kwSet | 1<<kwJoin | 1<<kwStraightJoin
	}
	return notInExpression | 1<<kwSet
}

// clause reads up to a keyword in stop outside all parentheses, or to the end of
// the statement. A keyword in forbid makes it fail, and so does a clause without
// text. comma makes it stop at a comma as well.
func (p *parser) clause(what string, stop, forbid keywordSet, comma bool) Span {
	s := Span{p.tok.start, p.tok.start}
	for !p.atEnd() {
		switch {
		case p.tok.opens():
			p.group()
			s.End = p.prev.end
			continue
		case p.tok.closes():
			p.fail(p.tok.start, "unopened parenthesis")
			return Span{}
		case comma && p.tok.ch() == ',':
			return p.filled(what, s)
		case p.tok.kind != kindWord || p.tok.kw == kwNone:
		case p.prev.kw == kwAs && !s.Empty():
			p.tok.kw = kwNone // a label, whatever it spells
		case p.tok.kw == kwFrom && p.prev.kw == kwDistinct:
			// IS DISTINCT FROM
		case stop.has(p.tok.kw):
			if p.stops() {
				return p.filled(what, s)
			}
		case forbid.has(p.tok.kw):
			p.fail(p.tok.start, "keyword out of place in "+what)
			return Span{}
		}
		s.End = p.tok.end
		p.advance()
	}
	return p.filled(what, s)
}

// stops looks twice at words that are reserved in one server and a name in
// another.
func (p *parser) stops() bool {
	switch p.tok.kw {
	case kwReturning:
		if p.d != MySQL {
			return true
		}
		// MySQL knows no such clause and takes it for a name; MariaDB reserves it.
		if p.prev.endsOperand(p.sql) && p.peek().startsOperand(p.sql) {
			return true
		}
		p.fail(p.tok.start, "RETURNING, which may be a name")
		return true
	case kwDo: // a name in SQLite
		next := p.peek()
		return next.kw == kwNothing || next.kw == kwUpdate
	}
	return true
}

func (p *parser) filled(what string, s Span) Span {
	if p.err == nil && s.Empty() {
		p.fail(p.tok.start, "empty "+what)
	}
	return s
}
