package live

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// Row is a row as it is.
type Row struct {
	// Key and Columns are the values of what the model calls so, in its order.
	Key, Columns []json.RawMessage

	Deleted bool // marked as deleted

	table *Table
	place []any // of the identity, as arguments, in the last row of a page
}

// KeyValues returns the key by its columns.
func (r *Row) KeyValues() sink.Values {
	key := make(sink.Values, len(r.Key))
	for i, f := range r.table.Model.Key {
		key[f.Name] = r.Key[i]
	}
	return key
}

// Values returns the tracked columns, without the key.
func (r *Row) Values() sink.Values {
	values := make(sink.Values, len(r.Columns))
	for i, raw := range r.Columns {
		values[r.table.Model.Columns[i].Field.Name] = raw
	}
	return values
}

// CanonicalKey is the text that package eventrow's Canonical makes of the key.
func (r *Row) CanonicalKey() string {
	b := []byte{'{'}
	for i, m := range r.table.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, m.name...), ':')
		b = append(b, r.Key[m.at]...)
	}
	return string(append(b, '}'))
}

// list is what a query of rows selects, and where in it is what.
type list struct {
	exprs   []string
	place   []int // of the identity
	columns []int // of the table's columns
}

func (t *Table) list() *list {
	l := &list{}
	for _, c := range t.identity {
		l.place = append(l.place, l.add(c.expr))
	}
	for _, c := range t.columns {
		l.columns = append(l.columns, l.add(c.expr))
	}
	return l
}

// add returns the place of an expression, which isn't selected twice.
func (l *list) add(expr string) int {
	if i := slices.Index(l.exprs, expr); i >= 0 {
		return i
	}
	l.exprs = append(l.exprs, expr)
	return len(l.exprs) - 1
}

// scan runs a query for rows t.
func (t *Table) scan(ctx context.Context, sel *bun.SelectQuery) ([]Row, error) {
	l := t.list()
	for _, expr := range l.exprs {
		sel = sel.ColumnExpr("?", bun.Safe(expr))
	}
	rows, err := sel.Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	values, dest := make([]any, len(l.exprs)), make([]any, len(l.exprs))
	for i := range values {
		dest[i] = &values[i]
	}
	var out []Row
	zeroMarks, size := model.ZeroMarks(), 0
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		row := Row{table: t}
		if size, err = row.read(l, values, size, zeroMarks); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		return nil, err
	}
	last := &out[len(out)-1]
	for i, c := range t.identity {
		v := values[l.place[i]]
		if c.place != nil {
			if v, err = c.place(v); err != nil {
				return nil, fmt.Errorf("column %s: %w", c.field.Name, err)
			}
		}
		last.place = append(last.place, v)
	}
	return out, nil
}

// read sets the row to what the values of the list are, in memory of that size,
// which it returns as it should have been.
func (r *Row) read(l *list, values []any, size int, zeroMarks []string) (int, error) {
	t, keys := r.table, len(r.table.Model.Key)
	raws := make([]json.RawMessage, len(t.columns))
	b := make([]byte, 0, size)
	for i, c := range t.columns {
		from := len(b)
		var err error
		if b, err = c.append(b, values[l.columns[i]]); err != nil {
			return 0, fmt.Errorf("column %s: %w", c.field.Name, err)
		}
		raws[i] = b[from:len(b):len(b)]
	}
	if t.soft >= 0 && t.soft < len(raws) {
		r.Deleted = !slices.Contains(zeroMarks, string(raws[t.soft]))
	}
	r.Key, r.Columns = raws[:keys], raws[keys:min(len(raws), keys+len(t.Model.Columns))]
	return len(b), nil
}
