package sqltext

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
