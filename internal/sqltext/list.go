package sqltext

import "strings"

// SplitList splits a text at the commas outside all parentheses: a RETURNING
// list, the rows of VALUES, the items of FROM. Spans leave out the white space
// and comments around an item. It returns nil where it can't, which includes a
// blank text and an item without text.
func SplitList(d Dialect, s string) []Span {
	var p parser
	p.d, p.sql = d, s
	p.advance()
	var spans []Span
	for {
		item := p.clause("list", 0, 0, true)
		if p.err != nil {
			return nil
		}
		spans = append(spans, item)
		if !p.takePunct(',') {
			break
		}
	}
	if p.tok.kind != kindEnd {
		return nil
	}
	return spans
}

// Names reads a list of names such as the columns of INSERT, unquoted and folded.
// Of a qualified name it returns what an assignment to it changes: the column.
func Names(d Dialect, s string) ([]string, error) {
	var p parser
	p.d, p.sql = d, s
	p.advance()
	names := p.columns(nil)
	if p.err == nil && p.tok.kind != kindEnd {
		p.fail(p.tok.start, "text after a list of names")
	}
	if p.err != nil {
		return nil, p.err
	}
	return names, nil
}

// SplitRow splits a row constructor, as in (a, b) = (1, c + 1) or = ROW(1, 2),
// into its n expressions. It returns nil where s isn't one of n: a subquery, say,
// whose columns are not its to tell.
func SplitRow(d Dialect, s string, n int) []string {
	if len(s) > 3 && strings.EqualFold(s[:3], "ROW") {
		s = strings.TrimLeft(s[3:], " \t\r\n")
	}
	if len(s) < 2 || s[0] != '(' || s[len(s)-1] != ')' {
		return nil
	}
	inner := s[1 : len(s)-1]
	spans := SplitList(d, inner)
	if len(spans) != n {
		return nil
	}
	out := make([]string, n)
	for i, span := range spans {
		out[i] = span.In(inner)
	}
	var p parser
	p.d, p.sql = d, out[0]
	p.advance()
	switch p.tok.kw {
	case kwSelect, kwWith, kwValues, kwTable:
		return nil
	}
	return out
}
