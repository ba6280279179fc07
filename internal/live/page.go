package live

import (
	"context"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Page returns up to n rows in the order of their identity, those after the row
// after, the last one of another page, or nil for the first page.
func (t *Table) Page(ctx context.Context, db bun.IDB, after *Row, n int) ([]Row, error) {
	return t.scan(ctx, t.after(t.from(db), after, n))
}

// Between returns the rows after the row after, or from the first on where that is
// nil, up to the row last, both the last ones of a page. What suffix says, such as
// FOR UPDATE, comes at the end of the query. It is for PostgreSQL.
func (t *Table) Between(ctx context.Context, db bun.IDB, after, last *Row, suffix string) ([]Row, error) {
	columns := t.places()
	sel := t.from(db).Where("(?) <= (?)", columns, bun.In(last.place)).For(suffix)
	if after != nil {
		sel = sel.Where("(?) > (?)", columns, bun.In(after.place))
	}
	return t.scan(ctx, sel)
}

// places are the columns of the identity, as arguments in parentheses.
func (t *Table) places() any {
	columns := make([]schema.Safe, len(t.identity))
	for i, c := range t.identity {
		columns[i] = "t." + c.field.SQLName
	}
	return bun.In(columns)
}

// Places selects the identity of the next n rows, as t: see [Table.Page]. The
// column bunaudit_place has the place of a row, for [At]. It is for PostgreSQL.
func (t *Table) Places(db bun.IDB, after *Row, n int) *bun.SelectQuery {
	sel := t.from(db)
	place := "jsonb_build_array("
	for i, c := range t.identity {
		sel = sel.ColumnExpr("t.?", c.field.SQLName)
		if i > 0 {
			place += ", "
		}
		place += c.expr
	}
	return t.after(sel.ColumnExpr("? AS bunaudit_place", bun.Safe(place+")")), after, n)
}

// At is the row at a place, for reading on after it.
func At(place []string) *Row {
	row := &Row{place: make([]any, len(place))}
	for i, text := range place {
		row.place[i] = text
	}
	return row
}

func (t *Table) from(db bun.IDB) *bun.SelectQuery {
	return db.NewSelect().TableExpr("? AS t", t.Model.Bun.SQLName)
}

// after keeps the next n rows t, in their order.
func (t *Table) after(sel *bun.SelectQuery, after *Row, n int) *bun.SelectQuery {
	for _, c := range t.identity {
		sel = sel.OrderExpr("t.?", c.field.SQLName)
	}
	if after != nil && t.Types != nil { // PostgreSQL reads on in the index where it has ended
		return limit(sel.Where("(?) > (?)", t.places(), bun.In(after.place)).Limit, n)
	}
	if after != nil {
		// (a, b) > (1, 2), in the form that every database has an index for.
		sel = sel.WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
			for i := range t.identity {
				sel = sel.WhereGroup(" OR ", func(sel *bun.SelectQuery) *bun.SelectQuery {
					for j, c := range t.identity[:i] {
						sel = sel.Where("t.? = ?", c.field.SQLName, after.place[j])
					}
					return sel.Where("t.? > ?", t.identity[i].field.SQLName, after.place[i])
				})
			}
			return sel
		}).Where("t.? >= ?", t.identity[0].field.SQLName, after.place[0])
	}
	return limit(sel.Limit, n)
}

// limit calls Limit, whose argument is an int in some versions of Bun and an
// int64 in others.
func limit[N int | int64](method func(N) *bun.SelectQuery, n int) *bun.SelectQuery {
	return method(N(n))
}
