package retrieval

import (
	"strconv"

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
		// A fragment has the text that it has in the document: the one that was
		// written, which is canonical.
		path := "$." + strconv.Quote(column) + "." + side
		return cond{"CAST(JSON_EXTRACT(e.changes, ?) AS BINARY) IN (?)", []any{path, bun.In(texts)}}
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
