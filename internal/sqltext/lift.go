package sqltext

import (
	"strconv"
	"strings"
)

// Lift takes values out of a statement of PostgreSQL, so that those that do the
// same with other values have one text: it returns the text with parameters in
// their places, up to its End, and the literals as they are written, to be
// the arguments of EXECUTE. Without values it returns what there is of the text.
//
// A value is a literal that is all of an assignment, or of an item of an INSERT
// of one row, or that stands right of "column =" in a WHERE clause: there a
// parameter means what the literal means. A string gets its type from its place,
// as a literal does; a number keeps the type that it has as a literal. What
// stands elsewhere stays in the text.
//
// It is not ok where the text has a dollar, which might be a parameter already.
func (s *Statement) Lift(sql string) (text string, values []string, ok bool) {
	l := lifter{sql: sql[:s.End], ok: true, text: make([]byte, 0, s.End+32)}
	if s.Verb == Insert && s.SourceKind == SourceValues {
		l.row(s.Rows)
	}
	for _, a := range s.Assignments {
		l.item(a.Expr)
	}
	for i := range s.Conflicts {
		for _, a := range s.Conflicts[i].Assignments {
			l.item(a.Expr)
		}
		l.comparisons(s.Conflicts[i].Where)
	}
	l.comparisons(s.Where)
	l.keep(s.End)
	return string(l.text), l.values, l.ok
}

// lifter goes through a text from its start to its end.
type lifter struct {
	sql    string
	done   int // how much of sql is in text
	text   []byte
	values []string
	ok     bool
}

func (l *lifter) keep(until int) {
	part := l.sql[l.done:until]
	if strings.IndexByte(part, '$') >= 0 {
		l.ok = false
	}
	l.text, l.done = append(l.text, part...), until
}

// row lifts the items of a single row of VALUES.
func (l *lifter) row(rows Span) {
	text := rows.In(l.sql)
	if len(text) < 2 || text[0] != '(' || text[len(text)-1] != ')' || len(SplitList(PostgreSQL, text)) != 1 {
		return
	}
	for _, item := range SplitList(PostgreSQL, text[1:len(text)-1]) {
		start := rows.Start + 1
		l.item(Span{Start: start + item.Start, End: start + item.End})
	}
}

// item lifts an expression that is a literal and nothing else.
func (l *lifter) item(s Span) {
	lex := lexer{sql: l.sql[:s.End], pos: s.Start}
	first := lex.next()
	last := first
	if first.ch() == '-' {
		last = lex.next()
	}
	if last.end == s.End {
		l.literal(first, last)
	}
}

// comparisons lifts the right sides of column = literal.
func (l *lifter) comparisons(s Span) {
	if s.Empty() {
		return
	}
	lex := lexer{sql: l.sql[:s.End], pos: s.Start}
	var before, prev token
	for tok := lex.next(); tok.kind != kindEnd; {
		next := lex.next()
		if prev.ch() != '=' || before.kind != kindWord && before.kind != kindIdent {
			before, prev, tok = prev, tok, next
			continue
		}
		first, last := tok, tok
		if tok.ch() == '-' && tok.start > prev.end {
			last, next = next, lex.next()
		}
		if ends(l.sql, next) && lex.fault == "" {
			l.literal(first, last)
		}
		before, prev, tok = first, last, next
	}
}

// ends reports whether a comparison ends before a token.
func ends(sql string, t token) bool {
	switch t.kind {
	case kindEnd:
		return true
	case kindPunct:
		return t.ch() == ')'
	case kindWord:
		word := sql[t.start:t.end]
		return strings.EqualFold(word, "AND") || strings.EqualFold(word, "OR")
	}
	return false
}

// literal lifts a literal: a string, or a number, which may have a sign before it.
func (l *lifter) literal(first, last token) {
	if first.start < l.done || last.end < len(l.sql) && isWordPart(l.sql[last.end]) {
		return
	}
	typ := ""
	switch text := l.sql[last.start:last.end]; {
	case last.kind == kindString && first == last && (text[0] == '\'' || text[0]|0x20 == 'e'):
	case last.kind == kindNumber && (first == last || first.end == last.start):
		if typ = typeOf(l.sql[first.start:last.end]); typ == "" {
			return
		}
	default:
		return
	}
	l.keep(first.start)
	l.values = append(l.values, l.sql[first.start:last.end])
	l.text = append(strconv.AppendInt(append(l.text, '$'), int64(len(l.values)), 10), typ...)
	l.done = last.end
}

// typeOf returns the cast to the type of a number, or nothing where it is not
// written in the plainest way.
func typeOf(number string) string {
	for i := range len(number) {
		if c := number[i]; !isDigit(c) && c != '.' && (c != '-' || i > 0) {
			return ""
		}
	}
	switch n, err := strconv.ParseInt(number, 10, 64); {
	case err != nil:
		return "::numeric"
	case n == int64(int32(n)): //nolint:gosec // That is the question.
		return "::integer"
	}
	return "::bigint"
}
