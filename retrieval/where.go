package retrieval

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// ErrMasked is reported where something needs the values of a field whose
// values are not on record, because of the tags audit:redact and audit:hash.
var ErrMasked = errors.New("the values are not on record")

// WhereOld keeps the events in which the field had one of these values before
// the change. nil is NULL; an insert has no old values. Without any value
// nothing is left. The field is given as to [Query.Field], the values as the
// model's field takes them:
//
//	For[Order](db).Key(7).WhereOld("status", "paid").WhereNew("status", "shipped").First(ctx)
//
// A field with the tag audit:redact or audit:hash is [ErrMasked]. One tagged
// msgpack can be compared through [ForTable], with the bytes that are stored.
func (q *Query[M]) WhereOld(field string, values ...any) *Query[M] {
	q.whereValue("old", field, values)
	return q
}

// WhereNew is like [Query.WhereOld] with the values after the change: when did
// the status become "shipped"? A delete has no new values.
func (q *Query[M]) WhereNew(field string, values ...any) *Query[M] {
	q.whereValue("new", field, values)
	return q
}

func (q *query) whereValue(side, field string, values []any) {
	if q.err != nil {
		return
	}
	column, ok := q.column(field)
	if !ok {
		q.fail(&UnknownFieldError{Model: q.name, Field: field, Known: q.columns()})
		return
	}
	var texts []string
	for _, v := range values {
		forms, err := q.fieldValue(column, v)
		if err != nil {
			q.fail(wrap(err))
			return
		}
		for _, raw := range forms {
			texts = append(texts, string(raw))
		}
	}
	if len(texts) == 0 {
		q.where("1 = 0")
		return
	}
	var one cond
	for i, name := range q.names(column) {
		c := q.valueIs(side, name, texts)
		if i > 0 {
			one.sql += " OR "
		}
		one.sql, one.args = one.sql+c.sql, append(one.args, c.args...)
	}
	q.where("("+one.sql+")", one.args...)
}

// fieldValue returns a value of a field as events have it, in each form that it may
// have there.
func (q *query) fieldValue(column string, v any) ([]json.RawMessage, error) {
	if q.model == nil {
		return value.FormsOfAny(v)
	}
	c, _ := q.model.Column(column)
	if c.Mask != sink.Unmasked {
		return nil, fmt.Errorf("field %s of %s: %w: the tag says audit:%s", column, q.name, ErrMasked, c.Mask)
	}
	return value.Forms(c.Field, v)
}
