package sqltext

import "strings"

type kind uint8

const (
	kindEnd     kind = iota // end of the text, or a fault
	kindWord                // keyword or name without quotes
	kindIdent               // quoted name
	kindUIdent              // PostgreSQL's U&"…": a name that is not decoded here
	kindDouble              // MySQL's "…": a string or a name, as ANSI_QUOTES has it
	kindString              // any string literal
	kindNumber              //
	kindParam               // placeholder or variable
	kindPunct               // one byte of an operator or of punctuation
	kindComment             // never leaves the lexer
)

// token has four fields and no more: larger structs don't travel in registers.
type token struct {
	start, end int
	kind       kind
	kw         keyword // of a kindWord; of a kindPunct its byte, see punct
}

// punct puts a byte of punctuation beyond the keywords.
func punct(ch byte) keyword { return keyword(ch) | 0x80 }

// ch returns the byte of a kindPunct, and 0 for other tokens.
func (t token) ch() byte {
	if t.kw&0x80 == 0 {
		return 0
	}
	return byte(t.kw &^ 0x80)
}

// lexer cuts a text into tokens. A fault ends the text: kindEnd with a reason.
type lexer struct {
	sql   string
	pos   int
	d     Dialect
	fault string

	// peekInside makes the contents of MySQL's /*! … */ tokens of the text.
	// Otherwise such a comment is a fault, since which servers execute it
	// depends on their version.
	peekInside bool
	versioned  bool // a /*! … */ was seen
	inside     bool // pos is in one
}

func (l *lexer) broken(at int, reason string) token {
	if l.fault == "" {
		l.fault = reason
	}
	l.pos = len(l.sql)
	return token{start: at, end: at}
}

func (l *lexer) next() token {
	sql := l.sql
	for start := l.pos; start < len(sql); start = l.pos {
		c := sql[start]
		for isSpace(c) {
			if start++; start == len(sql) {
				return l.end()
			}
			c = sql[start]
		}
		if isWordStart(c) {
			return l.word(start)
		}
		switch c {
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			return l.number(start)
		case '\'':
			return l.quoted(start, start, kindString)
		case '"':
			if l.d == MySQL {
				return l.double(start)
			}
			return l.quoted(start, start, kindIdent)
		case '`':
			if l.d != PostgreSQL {
				return l.quoted(start, start, kindIdent)
			}
		case '[':
			if l.d == SQLite {
				return l.bracketed(start)
			}
		case '$':
			switch l.d {
			case PostgreSQL:
				return l.dollar(start)
			case MySQL:
				return l.word(start)
			}
			return l.variable(start)
		case '?':
			if l.d != PostgreSQL { // there it is an operator
				return l.variable(start)
			}
		case '@':
			if l.d != PostgreSQL {
				return l.variable(start)
			}
		case ':':
			if l.d == SQLite {
				return l.variable(start)
			}
		case '.':
			if start+1 < len(sql) && isDigit(sql[start+1]) && !l.afterName(start) {
				return l.number(start)
			}
		case '-', '/', '#', '*':
			if skipped, ok := l.comment(start, c); !ok {
				return skipped
			} else if skipped.kind == kindComment {
				continue
			}
		case 0:
			return l.broken(start, "NUL byte")
		}
		l.pos = start + 1
		return token{start: start, end: start + 1, kind: kindPunct, kw: punct(c)}
	}
	return l.end()
}

func (l *lexer) end() token {
	l.pos = len(l.sql)
	if l.inside {
		return l.broken(l.pos, "unterminated comment")
	}
	return token{start: l.pos, end: l.pos}
}

// afterName tells t.1 (a name in MySQL) from .1 (a number).
func (l *lexer) afterName(at int) bool {
	return at > 0 && (isWordPart(l.sql[at-1]) || l.sql[at-1] == '`' || l.sql[at-1] == '"' || l.sql[at-1] == ']')
}

func (l *lexer) word(start int) token {
	sql := l.sql
	i := start + 1
	for i < len(sql) && isWordPart(sql[i]) {
		i++
	}
	if i < len(sql) {
		switch sql[i] {
		case '\'':
			if i == start+1 && l.d == PostgreSQL && sql[start]|0x20 == 'e' {
				return l.escaped(start, i)
			}
			if i == start+1 && (sql[start]|0x20 == 'x' || l.d != SQLite && strings.IndexByte("bBnN", sql[start]) >= 0) {
				return l.quoted(start, i, kindString)
			}
		case '&':
			if i == start+1 && l.d == PostgreSQL && sql[start]|0x20 == 'u' && i+1 < len(sql) {
				if sql[i+1] == '\'' {
					return l.quoted(start, i+1, kindString)
				}
				if sql[i+1] == '"' {
					return l.quoted(start, i+1, kindUIdent)
				}
			}
		}
	}
	if l.d == SQLite && strings.HasPrefix(sql[start:], "\ufeff") {
		// SQLite takes a byte order mark at the start of a token for a space.
		l.pos = start + len("\ufeff")
		return l.next()
	}
	l.pos = i
	return token{start: start, end: i, kind: kindWord, kw: keywordOf(sql[start:i])}
}

// number reads a numeric literal. What a database would read as something else,
// such as PostgreSQL before 15 the text 1FROM as two tokens, is a fault.
func (l *lexer) number(start int) token {
	sql := l.sql
	i := start
	for i < len(sql) && (isDigit(sql[i]) || sql[i] == '_') {
		i++
	}
	whole := i
	if i == start+1 && sql[start] == '0' && i < len(sql) && strings.IndexByte("xXoObB", sql[i]) >= 0 {
		for i < len(sql) && isWordPart(sql[i]) {
			i++
		}
		l.pos = i
		return token{start: start, end: i, kind: kindNumber}
	}
	if i < len(sql) && sql[i] == '.' {
		for i++; i < len(sql) && (isDigit(sql[i]) || sql[i] == '_'); i++ {
		}
	}
	if i < len(sql) && sql[i]|0x20 == 'e' {
		e := i + 1
		if e < len(sql) && (sql[e] == '+' || sql[e] == '-') {
			e++
		}
		if e < len(sql) && isDigit(sql[e]) {
			for i = e; i < len(sql) && isDigit(sql[i]); i++ {
			}
		}
	}
	if i < len(sql) && isWordPart(sql[i]) && sql[i] != '$' {
		if l.d != MySQL || i != whole && !isWord(sql[start:i]) {
			return l.broken(start, "letters right after a number")
		}
		for i < len(sql) && isWordPart(sql[i]) { // MySQL: a name may start with digits
			i++
		}
		l.pos = i
		return token{start: start, end: i, kind: kindWord}
	}
	l.pos = i
	return token{start: start, end: i, kind: kindNumber}
}

// variable reads a placeholder of SQLite or MySQL, or a variable of MySQL.
func (l *lexer) variable(start int) token {
	i := start + 1
	for i < len(l.sql) && (isWordPart(l.sql[i]) || l.d == MySQL && l.sql[start] == '@' && l.sql[i] == '@') {
		i++
	}
	if i == start+1 && l.sql[start] != '?' {
		l.pos = i
		return token{start: start, end: i, kind: kindPunct, kw: punct(l.sql[start])}
	}
	if l.d == SQLite && l.sql[start] != '?' && i < len(l.sql) && l.sql[i] == '(' {
		return l.broken(start, "Tcl array variable")
	}
	l.pos = i
	return token{start: start, end: i, kind: kindParam}
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool {
	lower := c | 0x20
	return lower >= 'a' && lower <= 'z' || c == '_' || c >= 0x80
}

func isWordPart(c byte) bool {
	return isWordStart(c) || c >= '0' && c <= '9' || c == '$'
}

func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isWordPart(s[i]) {
			return false
		}
	}
	return true
}
