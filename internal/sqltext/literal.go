package sqltext

import "strings"

// quoted reads a token from start whose opening quote is at open, up to the
// closing quote; the quote itself stands inside when it is doubled.
func (l *lexer) quoted(start, open int, k kind) token {
	sql, quote := l.sql, l.sql[open]
	if l.d == MySQL && quote == '\'' {
		return l.escaped(start, open)
	}
	i := open + 1
	for {
		n := strings.IndexByte(sql[i:], quote)
		if n < 0 {
			return l.broken(start, "unterminated quote")
		}
		i += n + 1
		if i >= len(sql) || sql[i] != quote {
			break
		}
		i++
	}
	l.pos = i
	return token{start: start, end: i, kind: k}
}

// escaped reads a string in which a backslash escapes the next byte:
// PostgreSQL's E'…' and every string of MySQL.
func (l *lexer) escaped(start, open int) token {
	i := l.endEscaped(open)
	for l.d == PostgreSQL && i > 0 {
		// A string goes on in the next line, with its escapes, if nothing but
		// white space that holds a newline comes between.
		next := l.continued(i)
		if next < 0 {
			break
		}
		i = l.endEscaped(next)
	}
	if i < 0 {
		return l.broken(start, "unterminated quote")
	}
	l.pos = i
	return token{start: start, end: i, kind: kindString}
}

func (l *lexer) endEscaped(open int) int {
	sql, quote := l.sql, l.sql[open]
	for i := open + 1; i < len(sql); i++ {
		switch sql[i] {
		case '\\':
			i++
		case quote:
			if i+1 >= len(sql) || sql[i+1] != quote {
				return i + 1
			}
			i++
		}
	}
	return -1
}

// continued returns the offset of the quote that carries on a string which
// ended before at, or -1.
func (l *lexer) continued(at int) int {
	newline := false
	for i := at; i < len(l.sql); i++ {
		switch c := l.sql[i]; {
		case c == '\n' || c == '\r':
			newline = true
		case c == ' ' || c == '\t' || c == '\f' || c == '\v':
		case c == '-' && strings.HasPrefix(l.sql[i:], "--"):
			i = l.endOfLine(i) - 1
		case c == '\'' && newline:
			return i
		default:
			return -1
		}
	}
	return -1
}

// double reads MySQL's "…". Whether it is a string, which has escapes, or a name,
// which has none, is a setting of the session; both readings have to end at the
// same byte.
func (l *lexer) double(start int) token {
	t := l.quoted(start, start, kindDouble)
	if t.kind == kindDouble && l.endEscaped(start) != t.end {
		return l.broken(start, "double quotes with a backslash, which ANSI_QUOTES decides on")
	}
	return t
}

// bracketed reads SQLite's [name], which has no escapes.
func (l *lexer) bracketed(start int) token {
	n := strings.IndexByte(l.sql[start:], ']')
	if n < 0 {
		return l.broken(start, "unterminated quote")
	}
	l.pos = start + n + 1
	return token{start: start, end: l.pos, kind: kindIdent}
}

// dollar reads PostgreSQL's $1 and $tag$ … $tag$.
func (l *lexer) dollar(start int) token {
	sql := l.sql
	i := start + 1
	if i < len(sql) && isDigit(sql[i]) {
		for i < len(sql) && isDigit(sql[i]) {
			i++
		}
		if i < len(sql) && isWordStart(sql[i]) {
			return l.broken(start, "letters right after a parameter")
		}
		l.pos = i
		return token{start: start, end: i, kind: kindParam}
	}
	for i < len(sql) && (isWordStart(sql[i]) || i > start+1 && isDigit(sql[i])) {
		i++
	}
	if i >= len(sql) || sql[i] != '$' {
		l.pos = start + 1
		return token{start: start, end: start + 1, kind: kindPunct, kw: punct('$')}
	}
	tag := sql[start : i+1]
	n := strings.Index(sql[i+1:], tag)
	if n < 0 {
		return l.broken(start, "unterminated dollar quote")
	}
	l.pos = i + 1 + n + len(tag)
	return token{start: start, end: l.pos, kind: kindString}
}

// comment skips a comment that starts with c at start. It returns a kindComment
// if it did, the zero token if there is none, and false at a fault.
func (l *lexer) comment(start int, c byte) (token, bool) {
	rest := l.sql[start+1:]
	switch {
	case c == '#' && l.d == MySQL:
		l.pos = l.endOfLine(start)
	case c == '-' && strings.HasPrefix(rest, "-") && (l.d != MySQL || len(rest) == 1 || rest[1] <= ' ' || rest[1] == 0x7f):
		l.pos = l.endOfLine(start)
	case c == '*' && l.inside && strings.HasPrefix(rest, "/"):
		l.inside = false
		l.pos = start + 2
	case c == '/' && strings.HasPrefix(rest, "*"):
		if l.d == MySQL && (strings.HasPrefix(rest, "*!") || strings.HasPrefix(rest, "*M!")) {
			return l.versionedComment(start)
		}
		if !l.block(start) {
			return l.broken(start, "unterminated comment"), false
		}
	default:
		return token{}, true
	}
	return token{kind: kindComment}, true
}

// endOfLine returns where a comment to the end of the line ends.
func (l *lexer) endOfLine(at int) int {
	for i := at; i < len(l.sql); i++ {
		if l.sql[i] == '\n' || l.sql[i] == '\r' && l.d == PostgreSQL {
			return i
		}
	}
	return len(l.sql)
}

// block skips /* … */, which nests on PostgreSQL only.
func (l *lexer) block(start int) bool {
	if l.d != PostgreSQL {
		n := strings.Index(l.sql[start+2:], "*/")
		switch {
		case n >= 0:
			l.pos = start + 2 + n + 2
		case l.d == SQLite: // runs to the end
			l.pos = len(l.sql)
		default:
			return false
		}
		return true
	}
	depth := 1
	for i := start + 2; i+1 < len(l.sql); i++ {
		switch {
		case l.sql[i] == '*' && l.sql[i+1] == '/':
			i++
			if depth--; depth == 0 {
				l.pos = i + 1
				return true
			}
		case l.sql[i] == '/' && l.sql[i+1] == '*':
			i++
			depth++
		}
	}
	return false
}

// versionedComment enters MySQL's /*!50000 … */ or refuses it.
func (l *lexer) versionedComment(start int) (token, bool) {
	l.versioned = true
	if !l.peekInside {
		return l.broken(start, "comment that some servers execute"), false
	}
	l.inside = true
	l.pos = start + strings.IndexByte(l.sql[start:], '!') + 1
	for l.pos < len(l.sql) && isDigit(l.sql[l.pos]) {
		l.pos++
	}
	return token{kind: kindComment}, true
}
