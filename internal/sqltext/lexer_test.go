package sqltext

import (
	"slices"
	"testing"
)

// texts returns the tokens of a text, and the fault that ended it.
func texts(d Dialect, sql string) (list []string, fault string) {
	l := lexer{sql: sql, d: d}
	for {
		t := l.next()
		if t.kind == kindEnd {
			return list, l.fault
		}
		list = append(list, sql[t.start:t.end])
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		sentence string
		d        Dialect
		sql      string
		want     []string
	}{
		{"PostgreSQL doubles quotes in strings and knows no backslash", PostgreSQL, `'it''s \' x`, []string{`'it''s \'`, "x"}},
		{"PostgreSQL escapes with a backslash in E strings", PostgreSQL, `E'\'' e'\\' x`, []string{`E'\''`, `e'\\'`, "x"}},
		{"a word that ends in e is no prefix of a string", PostgreSQL, `the'\'x`, []string{"the", `'\'`, "x"}},
		{"an E string goes on in the next line", PostgreSQL, "E'a' -- '\n 'b\\'' x", []string{"E'a' -- '\n 'b\\''", "x"}},
		{"an E string does not go on in the same line", PostgreSQL, `E'a' 'b\' x`, []string{`E'a'`, `'b\'`, "x"}},
		{"PostgreSQL's prefixes stick to their strings", PostgreSQL, `U&'a' b'1' x'ff' n'x' U&"a"`, []string{`U&'a'`, `b'1'`, `x'ff'`, `n'x'`, `U&"a"`}},
		{"dollar quotes hold everything up to the same tag", PostgreSQL, `$$'$$ $a$ $$ $b$ $a$ x`, []string{`$$'$$`, `$a$ $$ $b$ $a$`, "x"}},
		{"a dollar in a name starts no quote", PostgreSQL, `a$1 b$$c$d$ $1`, []string{"a$1", "b$$c$d$", "$1"}},
		{"comments nest on PostgreSQL", PostgreSQL, "a /* /* */ ' */ b -- '\rc", []string{"a", "b", "c"}},
		{"a comment may hide in an operator", PostgreSQL, "a<--'\nb +/**/ c", []string{"a", "<", "b", "+", "c"}},
		{"PostgreSQL's question mark is an operator", PostgreSQL, `a ?| b @> c`, []string{"a", "?", "|", "b", "@", ">", "c"}},
		{"numbers take their point and exponent along", PostgreSQL, `1.where .5e-3 1_000 0x1f 1.e5 a.b`, nil},
		{"numbers end at operators", PostgreSQL, `1. where .5e-3+1_000 0x1f 1.e5`, []string{"1.", "where", ".5e-3", "+", "1_000", "0x1f", "1.e5"}},
		{"SQLite quotes names in four ways", SQLite, `"a""b" [c"] ` + "`d` 'e'", []string{`"a""b"`, `[c"]`, "`d`", `'e'`}},
		{"comments don't nest on SQLite", SQLite, "a /* /* */ b -- x\rc\nd", []string{"a", "b", "d"}},
		{"a comment may run to the end on SQLite", SQLite, "a /* '", []string{"a"}},
		{"SQLite's placeholders are one token", SQLite, `?1 :a @b $c ?`, []string{"?1", ":a", "@b", "$c", "?"}},
		{"a byte order mark is a space to SQLite", SQLite, "\ufeffUPDATE", []string{"UPDATE"}},
		{"MySQL escapes with a backslash in strings", MySQL, `'a\'b''c' x'00' _utf8'\''`, []string{`'a\'b''c'`, `x'00'`, `_utf8`, `'\''`}},
		{"MySQL quotes names with backticks and no escapes", MySQL, "`a``b\\` x", []string{"`a``b\\`", "x"}},
		{"MySQL has three kinds of comments", MySQL, "a # '\nb -- '\nc /* /* */ d --\ne", []string{"a", "b", "c", "d", "e"}},
		{"two dashes without a space are MySQL's minus", MySQL, "a--1", []string{"a", "-", "-", "1"}},
		{"MySQL's names may start with a digit or a dollar", MySQL, "1a 2e $b @@c.d", []string{"1a", "2e", "$b", "@@c", ".", "d"}},
		{"names need no ASCII", PostgreSQL, "naïve 表1", []string{"naïve", "表1"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			got, fault := texts(c.d, c.sql)
			if c.want == nil {
				if fault == "" {
					t.Fatalf("%q: %q without a fault", c.sql, got)
				}
				return
			}
			if fault != "" || !slices.Equal(got, c.want) {
				t.Fatalf("%q: %q, %s", c.sql, got, fault)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		sentence string
		d        Dialect
		sql      string
	}{
		{"an unterminated string", PostgreSQL, `'a''`},
		{"a string that ends in an escape", MySQL, `'a\'`},
		{"an unterminated name", SQLite, `"a`},
		{"an unterminated bracket", SQLite, `[a`},
		{"an unterminated dollar quote", PostgreSQL, `$a$ $b$ $A$`},
		{"an unterminated comment on PostgreSQL", PostgreSQL, `/* /* */`},
		{"an unterminated comment on MySQL", MySQL, `/* `},
		{"a comment that some MySQL servers execute", MySQL, `/*!50000 x */`},
		{"a comment that MariaDB executes", MySQL, `/*M!100100 x */`},
		{"double quotes that ANSI_QUOTES decides on", MySQL, `"a\"b"`},
		{"a keyword right after a number", PostgreSQL, `1FROM`},
		{"a keyword right after a parameter", PostgreSQL, `$1FROM`},
		{"a NUL byte", SQLite, "a\x00b c \x00"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if got, fault := texts(c.d, c.sql); fault == "" {
				t.Fatalf("%q: %q", c.sql, got)
			}
		})
	}
}

func TestKeywordsAreKnownInAnyCase(t *testing.T) {
	for _, word := range []string{"UPDATE", "update", "uPdAtE", "straight_join", "STRAIGHT_JOIN"} {
		if keywordOf(word) == kwNone {
			t.Errorf("%s is no keyword", word)
		}
	}
	for _, word := range []string{"updat", "updates", "STRAIGHT-JOIN", "a", "", "straight_joins", "upd\xe1te"} {
		if keywordOf(word) != kwNone {
			t.Errorf("%s is a keyword", word)
		}
	}
}
