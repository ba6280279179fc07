package retrieval

import (
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
)

// valueIs is the condition that the event changed the column, and that its
// value on that side, old or new, is one of these canonical JSON texts.
func (q *query) valueIs(side, column string, texts []string) cond {
	switch q.db.Dialect().Name() {
	case dialect.PG:
		return cond{"e.changes -> ? -> ? IN (?)", []any{column, side, bun.In(texts)}}
	case dialect.MySQL:
		// A fragment comes as it was written, but with spaces in arrays and objects.
		spaced := make([]string, len(texts))
		for i, s := range texts {
			spaced[i] = withSpaces(s)
		}
		return cond{"CAST(JSON_EXTRACT(e.changes, ?) AS BINARY) IN (?)", []any{member(column) + "." + side, bun.In(spaced)}}
	default:
		// With two paths json_extract gives an array, whose elements have the
		// text that they have in the document; with one it would give a value of
		// SQL, and a long number would lose digits.
		arrays := make([]string, len(texts))
		for i, s := range texts {
			arrays[i] = "[" + s + "," + s + "]"
		}
		path := "$." + side
		return cond{"EXISTS (SELECT 1 FROM json_each(e.changes) AS f WHERE f.key = ? AND json_type(f.value, ?) IS NOT NULL" +
			" AND json_extract(f.value, ?, ?) IN (?))", []any{column, path, path, path, bun.In(arrays)}}
	}
}

// withSpaces returns a JSON text without spaces with those that MySQL prints.
func withSpaces(text string) string {
	var b strings.Builder
	quoted := false
	for i := range len(text) {
		c := text[i]
		b.WriteByte(c)
		switch {
		case c == '"' && !escaped(text[:i]):
			quoted = !quoted
		case (c == ',' || c == ':') && !quoted:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// escaped reports whether what follows text has a backslash before it that is
// none itself.
func escaped(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}
