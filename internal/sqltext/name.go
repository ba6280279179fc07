package sqltext

import "strings"

// maxName is how many bytes of a name PostgreSQL keeps, unless it was built
// otherwise. Longer names are cut at a character of the database's encoding,
// which can't be known here.
const maxName = 63

// part returns the token as a name, unquoted and folded, or the reason why it
// isn't one.
func (p *parser) part(t token) (string, string) {
	text := p.sql[t.start:t.end]
	switch t.kind {
	case kindWord:
		if p.d == PostgreSQL {
			text = lower(text)
		}
	case kindIdent:
		text = unquote(text)
	case kindString:
		// SQLite takes a string for a name where only a name can stand.
		if p.d != SQLite || text[0] != '\'' {
			return "", "string instead of a name"
		}
		text = unquote(text)
	case kindUIdent:
		return "", "name with Unicode escapes"
	case kindDouble:
		return "", "name in double quotes, which ANSI_QUOTES decides on"
	default:
		return "", "no name"
	}
	if text == "" {
		return "", "empty name"
	}
	if p.d == PostgreSQL && len(text) > maxName {
		return "", "name longer than 63 bytes"
	}
	return text, ""
}

func unquote(text string) string {
	quote := text[0]
	text = text[1 : len(text)-1]
	if quote != '[' && strings.IndexByte(text, quote) >= 0 {
		q := string(rune(quote))
		return strings.ReplaceAll(text, q+q, q)
	}
	return text
}

// lower folds ASCII letters, as PostgreSQL does in every multi-byte encoding.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// tableName moves past a name that may have a schema.
func (p *parser) tableName() (Name, Span) {
	s := Span{p.tok.start, p.tok.end}
	first, reason := p.part(p.tok)
	if reason != "" {
		p.fail(p.tok.start, reason)
		return Name{}, Span{}
	}
	p.advance()
	if p.tok.ch() != '.' {
		return Name{Table: first}, s
	}
	p.advance()
	second, reason := p.part(p.tok)
	if reason != "" {
		p.fail(p.tok.start, reason)
		return Name{}, Span{}
	}
	s.End = p.tok.end
	p.advance()
	if p.d == PostgreSQL && p.takePunct('.') {
		// A database before the schema has to be the current one.
		first = second
		if second, reason = p.part(p.tok); reason != "" {
			p.fail(p.tok.start, reason)
			return Name{}, Span{}
		}
		s.End = p.tok.end
		p.advance()
	}
	return Name{Schema: first, Table: second}, s
}
