package retrieval

import (
	"errors"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// By keeps what actors with one of these IDs did. The empty ID stands for
// nobody: changes for which no actor's ID was recorded. Without any ID nothing
// is left.
func (q *Query[M]) By(ids ...string) *Query[M] {
	q.whereText("actor_id", ids)
	return q
}

// ByActor keeps what actors did that agree with a in every part that a has. The
// zero Actor stands for nobody: changes for which no actor was recorded.
func (q *Query[M]) ByActor(a sink.Actor) *Query[M] {
	for _, part := range []struct{ column, value string }{
		{"actor_id", a.ID}, {"actor_type", a.Type}, {"actor_name", a.Name}, {"on_behalf_of", a.OnBehalfOf},
	} {
		if part.value != "" || a.IsZero() {
			q.whereText(part.column, []string{part.value})
		}
	}
	return q
}

// OnBehalfOf keeps what was done for one of these IDs, by whomever. The empty
// ID keeps what actors did in their own name.
func (q *Query[M]) OnBehalfOf(ids ...string) *Query[M] {
	q.whereText("on_behalf_of", ids)
	return q
}

// Op keeps these operations.
func (q *Query[M]) Op(ops ...sink.Op) *Query[M] {
	names := make([]string, len(ops))
	for i, op := range ops {
		names[i] = string(op)
	}
	q.whereText("op", names)
	return q
}

// Reason keeps what was done for one of these reasons, in exactly these words.
// The empty one keeps what was done without a reason.
func (q *Query[M]) Reason(reasons ...string) *Query[M] {
	q.whereText("reason", reasons)
	return q
}

// Meta keeps what has this value under this key in its meta data. Called again,
// both must be there.
func (q *Query[M]) Meta(key, value string) *Query[M] {
	switch q.dialect() {
	case dialect.PG:
		q.where("e.meta ->> ? = ?", key, value)
	case dialect.MySQL: // binary, or neither case nor spaces at the end would count
		q.where("JSON_UNQUOTE(JSON_EXTRACT(e.meta, ?)) = CAST(? AS BINARY)", member(key), value)
	default:
		q.where("EXISTS (SELECT 1 FROM json_each(e.meta) AS m WHERE m.key = ? AND m.value = ?)", key, value)
	}
	return q
}

// Tx keeps what happened in one of these transactions, by [sink.Event.Tx]:
// UUIDs.
func (q *Query[M]) Tx(ids ...string) *Query[M] {
	lower := make([]string, len(ids))
	for i, id := range ids {
		lower[i] = strings.ToLower(id)
		if !eventrow.IsUUID(lower[i]) {
			q.fail(errors.New("retrieval: the ID of a transaction is not a UUID"))
		}
	}
	q.whereText("tx", lower)
	return q
}

// whereText compares a column in which the empty text is NULL.
func (q *query) whereText(column string, values []string) {
	some := slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
	hasEmpty := len(some) < len(values)
	switch {
	case hasEmpty && len(some) == 0:
		q.where("? IS NULL", indexed(column))
	case hasEmpty:
		q.where("(? IS NULL OR ? IN (?))", indexed(column), indexed(column), bun.In(some))
	default:
		q.where("? IN (?)", indexed(column), bun.In(some))
		if column == "actor_id" && q.dialect() == dialect.MySQL {
			q.where("e.actor_head IN (?)", heads(some, eventrow.ActorHead))
		}
	}
}

// dialect is [dialect.Invalid] where the query can't be run anyway.
func (q *query) dialect() dialect.Name {
	if q.err != nil {
		return dialect.Invalid
	}
	return q.db.Dialect().Name()
}

// member is MySQL's path to a member of an object.
func member(name string) string { return "$." + eventrow.Member(name) }

// column finds a column by its name or its name in Go.
func (q *query) column(name string) (string, bool) {
	if q.model == nil {
		return name, true
	}
	if _, ok := q.model.Column(name); ok {
		return name, true
	}
	for _, f := range q.model.Bun.Fields {
		if f.GoName == name {
			_, ok := q.model.Column(f.Name)
			return f.Name, ok
		}
	}
	return name, false
}

// names are those under which events know a column.
func (q *query) names(column string) []string {
	if q.model == nil {
		return []string{column}
	}
	return q.model.Names(column)
}

// columns lists those that a query can ask for.
func (q *query) columns() []string {
	if q.model == nil {
		return nil
	}
	var names []string
	for _, f := range q.model.Key {
		names = append(names, f.Name)
	}
	for _, c := range q.model.Columns {
		names = append(names, c.Field.Name)
	}
	return names
}

// conditions adds those that aren't on keys to a statement on the rows e.
func (q *query) conditions(sel *bun.SelectQuery) *bun.SelectQuery {
	switch {
	case q.table == "":
	case q.useful(tableName):
		sel = q.whereTable(sel)
	default:
		sel = sel.Where("+e.table_name = ?", q.table)
	}
	for _, c := range q.conds {
		args := slices.Clone(c.args)
		for i, arg := range args {
			if column, ok := arg.(indexed); ok && q.useful(column) {
				args[i] = bun.Safe("e." + column)
			} else if ok {
				args[i] = bun.Safe("+e." + column)
			}
		}
		sel = sel.Where(c.sql, args...)
	}
	if q.fields == nil {
		return sel
	}
	switch q.dialect() {
	case dialect.PG:
		return sel.Where("EXISTS (SELECT 1 FROM jsonb_object_keys(e.changes) AS f(name) WHERE f.name IN (?))", bun.In(q.fields))
	case dialect.MySQL:
		return whereMembers(sel, q.fields)
	default:
		return sel.Where("EXISTS (SELECT 1 FROM json_each(e.changes) AS f WHERE f.key IN (?))", bun.In(q.fields))
	}
}

// whereMembers keeps the events with a change of one of the fields. MariaDB reads
// no JSON that is nested deeper than 32 levels, and then says NULL: there the text
// has to do, which may keep an event in whose values another field has the name.
func whereMembers(sel *bun.SelectQuery, fields []string) *bun.SelectQuery {
	return sel.WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
		sel = sel.Where("1 = 0")
		for _, f := range fields {
			text := eventrow.Member(f) + ":{"
			sel = sel.WhereOr("COALESCE(JSON_CONTAINS_PATH(e.changes, 'one', ?), LOCATE(?, e.changes) > 0)", member(f), text)
		}
		return sel
	})
}
