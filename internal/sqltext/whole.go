package sqltext

// merge finds MERGE's target and RETURNING. The rest is one body: its conditions
// and actions hold every keyword there is.
func (p *parser) merge(s *Statement) {
	p.advance()
	if !p.take(kwInto) {
		p.fail(p.tok.start, "MERGE without INTO")
		return
	}
	var h head
	p.target(&h)
	p.alias(&h, false)
	h.into(s)
	if !p.is(kwUsing) {
		p.fail(p.tok.start, "MERGE without USING")
		return
	}
	s.Body = p.clause("MERGE", 1<<kwReturning, 0, false)
	p.returning(s)
}

// truncate reads TRUNCATE and leaves its options alone.
func (p *parser) truncate(s *Statement) {
	p.advance()
	p.take(kwTable)
	var h head
	p.target(&h)
	h.into(s)
	for p.takePunct(',') {
		s.MultiTable = true
		var more head
		p.target(&more)
	}
	if !p.atEnd() {
		s.Body = p.clause("TRUNCATE", 0, p.forbidden(), false)
	}
}
