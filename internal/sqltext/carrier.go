package sqltext

// Statements that carry another one, or name their table in a way of their own.

// truncated reads TRUNCATE a, b.
func (p *surveyor) truncated() Name {
	p.advance()
	p.take(kwTable)
	var first Name
	for {
		var h head
		p.target(&h)
		p.add(h.target)
		if first.IsZero() {
			first = h.target
		}
		if !p.takePunct(',') {
			return first
		}
	}
}

// copied reads COPY t (a, b) FROM. COPY (statement) TO is left to rest.
func (p *surveyor) copied() Name {
	p.advance()
	if p.isPunct('(') || p.d != PostgreSQL {
		return Name{}
	}
	if next := p.peek(); lower(p.word(p.tok)) == "binary" && next.kind != kindPunct && next.kw != kwFrom && next.kw != kwTo {
		p.advance()
	}
	var h head
	p.target(&h)
	if p.isPunct('(') {
		p.group()
	}
	if !p.is(kwFrom) {
		return Name{}
	}
	p.add(h.target)
	return h.target
}

// loaded reads LOAD DATA … INTO TABLE t.
func (p *surveyor) loaded() Name {
	for !p.atEnd() {
		if p.take(kwInto) && p.take(kwTable) {
			n, _ := p.tableName()
			p.add(n)
			return n
		}
		p.advance()
	}
	return Name{}
}

// explained reads EXPLAIN and its options. The statement after them counts only
// where it is executed, for the sake of its measurements.
func (p *surveyor) explained(executes bool) {
	p.advance()
	for !p.atEnd() && !p.startsStatement() {
		if p.is(kwAnalyze) {
			executes = true
		}
		p.advance()
	}
	if executes {
		p.statement()
		return
	}
	for !p.atEnd() {
		p.advance()
	}
}

func (p *surveyor) startsStatement() bool {
	switch p.tok.kw {
	case kwSelect, kwValues, kwTable, kwWith, kwInsert, kwReplace, kwUpdate, kwDelete, kwMerge, kwExecute, kwCreate:
		return true
	}
	return false
}

// prepared reads PREPARE x (types) AS statement, as if it was executed. MySQL
// prepares a string.
func (p *surveyor) prepared() {
	if p.d != PostgreSQL {
		p.certain = false
		return
	}
	p.inner(kwAs)
}

// inner moves past the keyword and reads the statement there.
func (p *surveyor) inner(after keyword) {
	for !p.atEnd() {
		if p.tok.opens() {
			p.group()
			continue
		}
		if p.take(after) {
			p.statement()
			return
		}
		p.advance()
	}
}

// unknown looks at a statement that starts with no verb.
func (p *surveyor) unknown() {
	if p.d != MySQL {
		return
	}
	switch lower(p.word(p.tok)) {
	case "if", "case", "loop", "repeat", "while", "for":
		p.compound()
	default:
		if p.peek().ch() == ':' { // a label
			p.compound()
		}
	}
}

// compound reads one of MariaDB's statements that hold others, outside of any
// routine. What they hold can't be told apart with certainty.
func (p *surveyor) compound() {
	p.certain = false
	for !p.atEnd() {
		switch p.tok.kw {
		case kwInsert, kwReplace, kwUpdate, kwDelete:
			trial := *p
			if trial.record(); trial.err == nil {
				*p = trial
				continue
			}
		}
		p.advance()
	}
}

// created moves past a CREATE whose body holds statements between semicolons:
// they are defined, not executed.
func (p *surveyor) created() {
	p.advance()
	for {
		switch lower(p.word(p.tok)) {
		case "or", "replace", "temp", "temporary":
			p.advance()
			continue
		case "trigger":
			if p.d == SQLite {
				p.body()
			}
		case "function", "procedure":
			if p.d == PostgreSQL {
				p.atomic()
			}
		}
		return
	}
}

// atomic moves past the body of a routine that is written as BEGIN ATOMIC … END,
// if it is.
func (p *surveyor) atomic() {
	for !p.atEnd() {
		switch {
		case p.tok.opens():
			p.group()
			continue
		case p.is(kwBegin) && lower(p.word(p.peek())) == "atomic":
			p.advance()
			p.body()
			return
		}
		p.advance()
	}
}

// body moves past END, where that follows on a semicolon or on the current token.
func (p *surveyor) body() {
	start := p.tok
	p.advance()
	for p.tok.kind != kindEnd {
		if p.is(kwEnd) && (p.prev.ch() == ';' || p.prev == start) {
			p.advance()
			return
		}
		p.advance()
	}
	p.fail(start.start, "body without END")
}
