package retrieval

import (
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// indexed is a column of events with which an index begins, as an argument of a
// condition.
type indexed string

// tableName is the column with which the indexes of keys begin.
const tableName indexed = "table_name"

// useful reports whether the query may use the indexes that begin with a column.
// SQLite, which has no statistics unless somebody makes them, takes every index for
// about as good as another, and for better than the order in which the events are
// asked for: it would read and sort for each page all that the table has ever had,
// or an actor. The indexes of keys are of use where a row is asked for, and then no
// others are. A plus in front of a column keeps SQLite from its indexes.
func (q *query) useful(column indexed) bool {
	return q.keyed == (column == tableName) || q.counted && len(q.conds) == 0 || q.dialect() != dialect.SQLite
}

// whereTable keeps the events of the query's table, by the indexes of keys.
func (q *query) whereTable(sel *bun.SelectQuery) *bun.SelectQuery {
	if q.dialect() == dialect.MySQL {
		sel = sel.Where("e.table_head = ?", eventrow.Head(q.table, eventrow.TableHead))
	}
	return sel.Where("e.table_name = ?", q.table)
}

// keyColumn is a column by which an event belongs to a key, and on MySQL the one
// that has its head.
type keyColumn struct{ name, head string }

var (
	isKey  = keyColumn{"key", "key_head"}
	wasKey = keyColumn{"old_key", "old_key_head"}

	// becameKey is like isKey, for events that have changed a key.
	becameKey = keyColumn{"key", "moved_head"}
)

// indexOf is the column that has the index of a column of keys: for what is as true
// of a head as of the whole.
func (q *query) indexOf(column keyColumn) string {
	if q.dialect() == dialect.MySQL {
		return column.head
	}
	return column.name
}

// whereKey keeps the events that have one of the keys, by the texts under which
// these are stored.
func (q *query) whereKey(sel *bun.SelectQuery, column keyColumn, stored []string) *bun.SelectQuery {
	if q.dialect() == dialect.MySQL {
		sel = sel.Where("e.? IN (?)", bun.Ident(column.head), heads(stored, eventrow.KeyHead))
	}
	return sel.Where("e.? IN (?)", bun.Ident(column.name), bun.In(stored))
}

// ofKeys selects the events of the table that have one of the keys in a column.
func (q *query) ofKeys(column keyColumn, stored []string) *bun.SelectQuery {
	return q.whereKey(q.whereTable(q.from(nil)), column, stored)
}

// heads are those of texts, for IN.
func heads(texts []string, n int) any {
	heads := make([]string, len(texts))
	for i, text := range texts {
		heads[i] = eventrow.Head(text, n)
	}
	return bun.In(heads)
}
