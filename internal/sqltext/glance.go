package sqltext

import "strings"

// Head is what [Glance] sees of a text.
type Head struct {
	// Verb of the first statement. Of WITH … it is the verb of what follows the
	// common table expressions.
	Verb Verb
	// Target is the table that the first statement writes to, if any.
	Target Name
	// Writes says whether the text may change rows of tables that it names.
	Writes bool
	// Several says that more than one statement is in the text.
	Several bool
	// Certain says that the above is all there is to know: the text writes to
	// Target and to no other table, or to none. Where it is false, ask Targets.
	Certain bool
}

// Glance says what a text does at the least cost. It allocates nothing for a
// single statement that starts with its verb, unless the target's name has to be
// folded or unescaped.
func Glance(d Dialect, sql string) Head {
	if h, plain := glance(d, sql); plain {
		return h
	}
	s := survey(d, sql)
	h := Head{Verb: s.verb, Target: s.target, Several: s.several, Writes: len(s.names) > 0 || !s.certain}
	h.Certain = s.certain && !s.several && (len(s.names) == 0 || len(s.names) == 1 && s.names[0] == s.target)
	return h
}

// Targets names every table that a text of one or several statements writes to:
// in data-modifying WITH, in EXPLAIN ANALYZE and PREPARE, in MySQL's statements
// over several tables, TRUNCATE, COPY … FROM and LOAD DATA too. In doubt it names
// a table too many. Where there may be one that it has no name of, certain is
// false. Each name comes once.
func Targets(d Dialect, sql string) (names []Name, certain bool) {
	if h, plain := glance(d, sql); plain {
		if h.Target.IsZero() {
			return nil, true
		}
		return []Name{h.Target}, true
	}
	s := survey(d, sql)
	return s.names, s.certain
}

// glance answers for a plain text: one statement that starts with its verb and
// writes to one table or none.
func glance(d Dialect, sql string) (h Head, plain bool) {
	var p parser
	p.d, p.sql, p.peekInside = d, sql, true
	p.advance()
	switch p.tok.kw {
	case kwSelect, kwValues, kwSavepoint, kwRelease, kwShow, kwCommit:
		h.Verb = verbOf(p.tok.kw)
	case kwBegin:
		if d == MySQL { // MariaDB: BEGIN NOT ATOMIC … END
			return h, false
		}
		h.Verb = Begin
	case kwInsert, kwReplace, kwUpdate, kwDelete:
		if !p.glanceAtWrite(&h) {
			return h, false
		}
	default:
		return h, false
	}
	if p.err != nil || p.versioned {
		return h, false
	}
	h.Certain = true
	// Past its head, a single statement of these can't write anywhere else:
	// PostgreSQL has data-modifying WITH at the top only, which starts with WITH.
	rest := sql[p.tok.start:]
	semicolon := strings.IndexByte(rest, ';')
	if semicolon < 0 || strings.TrimRight(rest[semicolon+1:], " \t\r\n;") == "" {
		return h, true
	}
	return h, p.single()
}

// glanceAtWrite reads up to the target, and far enough beyond it to see that
// there is only one. It returns false where that is not plain to see.
func (p *parser) glanceAtWrite(h *Head) bool {
	var t head
	h.Verb, h.Writes = verbOf(p.tok.kw), true
	switch h.Verb {
	case Insert, Replace:
		p.insertHead(&t)
	case Update:
		p.updateModifiers(&t)
		if p.d != MySQL {
			p.target(&t)
		} else if p.table(&t); !p.is(kwSet) {
			return false
		}
	case Delete:
		if !p.deleteHead(&t) {
			return false
		}
		if p.d == MySQL {
			p.alias(&t, false)
			if !p.atEnd() && !p.is(kwWhere) && !p.is(kwOrder) && !p.is(kwLimit) && !p.is(kwReturning) {
				return false
			}
		}
	}
	h.Target = t.target
	return p.err == nil
}

// single says whether nothing but semicolons follows the current statement.
func (p *parser) single() bool {
	for !p.atEnd() {
		p.advance()
	}
	for p.tok.ch() == ';' {
		p.advance()
	}
	return p.tok.kind == kindEnd && p.err == nil && !p.versioned
}

// verbOf maps a leading keyword to its verb.
func verbOf(kw keyword) Verb {
	switch kw {
	case kwSelect, kwValues, kwTable:
		return Select
	case kwInsert:
		return Insert
	case kwReplace:
		return Replace
	case kwUpdate:
		return Update
	case kwDelete:
		return Delete
	case kwMerge:
		return Merge
	case kwTruncate:
		return Truncate
	case kwCopy:
		return Copy
	case kwLoad:
		return Load
	case kwBegin, kwStart:
		return Begin
	case kwCommit, kwEnd:
		return Commit
	case kwRollback, kwAbort:
		return Rollback
	case kwSavepoint:
		return Savepoint
	case kwRelease:
		return Release
	case kwExplain, kwDescribe:
		return Explain
	case kwPrepare:
		return Prepare
	case kwExecute:
		return Execute
	case kwCall, kwDo:
		return Call
	case kwSet:
		return Set
	case kwShow:
		return Show
	case kwCreate, kwAlter, kwDrop, kwRename:
		return DDL
	}
	return Other
}
