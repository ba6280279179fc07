package sqltext

// assignments reads a = 1, (b, c) = (…) up to a keyword in stop.
func (p *parser) assignments(stop keywordSet) (Span, []Assignment) {
	s := Span{Start: p.tok.start}
	list := make([]Assignment, 0, 4)
	// All names share one slice, which may move while it grows.
	names := make([]string, 0, 8)
	for p.err == nil {
		var a Assignment
		first := len(names)
		a.Left.Start = p.tok.start
		if p.takePunct('(') {
			names = p.columns(names)
			if !p.takePunct(')') {
				p.fail(p.tok.start, "unclosed list of columns")
			}
		} else {
			names = p.column(names)
		}
		a.Left.End = p.prev.end
		a.Columns = names[first:len(names):len(names)]
		p.equals()
		a.Expr = p.clause("SET", stop, p.forbidden(), true)
		list = append(list, a)
		s.End = a.Expr.End
		if !p.takePunct(',') {
			break
		}
	}
	return s, list
}

// equals reads =, which is == in SQLite and := in MySQL too.
func (p *parser) equals() {
	if p.d == MySQL && p.isPunct(':') && p.peek().ch() == '=' {
		p.advance()
	}
	if !p.takePunct('=') {
		p.fail(p.tok.start, "assignment without =")
		return
	}
	if p.d == SQLite && p.isPunct('=') && p.prev.end == p.tok.start {
		p.advance()
	}
}

// columns reads a, b, c onto names.
func (p *parser) columns(names []string) []string {
	for {
		names = p.column(names)
		if p.err != nil || !p.takePunct(',') {
			return names
		}
	}
}

// column reads the name of a column onto names. PostgreSQL allows no table before
// it, but fields and subscripts after it; the others the reverse.
func (p *parser) column(names []string) []string {
	name, reason := p.part(p.tok)
	if reason != "" {
		p.fail(p.tok.start, reason)
		return names
	}
	p.advance()
	for p.isPunct('.') || p.d == PostgreSQL && p.isPunct('[') {
		if p.isPunct('[') {
			p.group()
			continue
		}
		p.advance()
		last, reason := p.part(p.tok)
		if reason != "" {
			p.fail(p.tok.start, reason)
			return names
		}
		if p.d != PostgreSQL {
			name = last
		}
		p.advance()
	}
	return append(names, name)
}
