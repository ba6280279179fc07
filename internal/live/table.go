package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// Table says how to read the rows of a model's table. It is immutable.
type Table struct {
	Model *model.Model

	// Types are PostgreSQL's of the table's columns, by name; nil elsewhere.
	Types map[string]value.PostgresType

	columns  []column // the key, the tracked columns, the soft-delete column
	identity []column // of Model.Identity, for the order
	soft     int      // in columns, or -1
}

// column is an expression to select, and what becomes of its value.
type column struct {
	field *schema.Field
	expr  string
	json  func(any) (json.RawMessage, error)

	// place makes an argument of a value of the identity, for comparing the
	// column with. Nil: the value is one.
	place func(any) (any, error)
}

// arg makes of a value what the model's field would hold. What MariaDB delivers
// is for encoding: an instant comes as seconds, which no column is compared with.
func (c column) arg(v any) (any, error) {
	raw, err := c.json(v)
	if err != nil {
		return nil, err
	}
	return value.Arg(c.field, raw)
}

// Row is a row as it is.
type Row struct {
	Key     sink.Values
	Values  sink.Values // of the tracked columns, without the key
	Deleted bool        // marked as deleted

	place []any // of the identity, as arguments
}

// Load finds out how to read the table of m.
func Load(ctx context.Context, db bun.IDB, m *model.Model) (*Table, error) {
	t := &Table{Model: m, soft: -1}
	newColumn, err := t.maker(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", m.Table, err)
	}
	at := map[*schema.Field]int{}
	add := func(f *schema.Field) error {
		if _, ok := at[f]; ok {
			return nil
		}
		c, err := newColumn(f)
		if err != nil {
			return err
		}
		at[f] = len(t.columns)
		t.columns = append(t.columns, c)
		return nil
	}
	fields := append([]*schema.Field(nil), m.Key...)
	for _, c := range m.Columns {
		fields = append(fields, c.Field)
	}
	if f := m.Bun.SoftDeleteField; f != nil {
		fields = append(fields, f)
	}
	for _, f := range fields {
		if err := add(f); err != nil {
			return nil, err
		}
	}
	if f := m.Bun.SoftDeleteField; f != nil {
		t.soft = at[f]
	}
	for _, f := range m.Identity {
		c, err := newColumn(f)
		if err != nil {
			return nil, err
		}
		switch db.Dialect().Name() {
		case dialect.PG:
			c.expr = "t." + string(f.SQLName) + "::text"
		case dialect.MySQL:
			c.place = c.arg
		}
		t.identity = append(t.identity, c)
	}
	return t, nil
}

// maker returns what makes columns, by what the database knows of types.
func (t *Table) maker(ctx context.Context, db bun.IDB) (func(*schema.Field) (column, error), error) {
	m := t.Model
	switch d := db.Dialect().Name(); d {
	case dialect.PG:
		types, err := value.LoadPostgresTypes(ctx, db, string(m.Bun.SQLName))
		if err != nil {
			return nil, err
		}
		t.Types = types
		return func(f *schema.Field) (column, error) {
			typ, ok := types[f.Name]
			if !ok {
				return column{}, missing(m, f)
			}
			expr := string(value.AppendPostgresExpr(nil, typ, "t."+string(f.SQLName))) + "::text"
			return column{field: f, expr: expr, json: compact}, nil
		}, nil
	case dialect.SQLite:
		return func(f *schema.Field) (column, error) {
			kind := value.KindOf(f)
			// An expression has no declared type that a driver could convert to.
			encode := func(v any) (json.RawMessage, error) { return value.Encode(kind, v) }
			return column{field: f, expr: "+t." + string(f.SQLName), json: encode}, nil
		}, nil
	case dialect.MySQL:
		types, err := value.LoadMySQLTypes(ctx, db, string(m.Bun.SQLName))
		if err != nil {
			return nil, err
		}
		return func(f *schema.Field) (column, error) {
			typ, ok := types[strings.ToLower(f.Name)]
			if !ok {
				return column{}, missing(m, f)
			}
			kind := value.KindOf(f)
			expr := string(value.AppendMySQLExpr(nil, typ, "t."+string(f.SQLName)))
			encode := func(v any) (json.RawMessage, error) { return value.EncodeMySQL(typ, kind, v) }
			return column{field: f, expr: expr, json: encode}, nil
		}, nil
	default:
		return nil, fmt.Errorf("the dialect %s is not supported", d)
	}
}

func missing(m *model.Model, f *schema.Field) error {
	return fmt.Errorf("the table %s has no column %s, which the model's field %s stands for", m.Table, f.SQLName, f.GoName)
}

// compact takes away the spaces that the database puts into JSON.
func compact(v any) (json.RawMessage, error) {
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return nil, fmt.Errorf("the driver delivered a %T for JSON", v)
	}
	out, ok := value.AppendJSON(nil, text)
	if !ok {
		return nil, errors.New("the database delivered no JSON")
	}
	return out, nil
}

// Select returns a query for rows of the table, as t, that [Table.Scan] reads.
func (t *Table) Select(db bun.IDB) *bun.SelectQuery {
	sel := db.NewSelect().TableExpr("? AS t", bun.Safe(t.Model.Bun.SQLName))
	for _, c := range t.identity {
		sel = sel.ColumnExpr("?", bun.Safe(c.expr))
	}
	for _, c := range t.columns {
		sel = sel.ColumnExpr("?", bun.Safe(c.expr))
	}
	return sel
}

// Scan runs a query made by [Table.Select].
func (t *Table) Scan(ctx context.Context, sel *bun.SelectQuery) ([]Row, error) {
	rows, err := sel.Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []Row
	for rows.Next() {
		values := make([]any, len(t.identity)+len(t.columns))
		dest := make([]any, len(values))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		row, err := t.row(values)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

func (t *Table) row(values []any) (Row, error) {
	row := Row{Key: sink.Values{}, Values: sink.Values{}, place: values[:len(t.identity)]}
	for i, c := range t.identity {
		if c.place == nil {
			continue
		}
		arg, err := c.place(row.place[i])
		if err != nil {
			return Row{}, fmt.Errorf("column %s: %w", c.field.Name, err)
		}
		row.place[i] = arg
	}
	values = values[len(t.identity):]
	for i, c := range t.columns {
		raw, err := c.json(values[i])
		if err != nil {
			return Row{}, fmt.Errorf("column %s: %w", c.field.Name, err)
		}
		if i == t.soft {
			row.Deleted = !slices.Contains(model.ZeroMarks(), string(raw))
		}
		switch {
		case i < len(t.Model.Key):
			row.Key[c.field.Name] = raw
		case i < len(t.Model.Key)+len(t.Model.Columns):
			row.Values[c.field.Name] = raw
		}
	}
	return row, nil
}

// Keys returns the table by its keys alone: the rows that it reads have no values.
func (t *Table) Keys() *Table {
	keys := *t
	keys.columns = t.columns[:len(t.Model.Key)]
	return &keys
}

// Page returns up to n rows in the order of their identity, those after the row
// after, which is nil for the first page.
func (t *Table) Page(ctx context.Context, db bun.IDB, after *Row, n int) ([]Row, error) {
	return t.Scan(ctx, t.after(t.Select(db), after, n))
}

// Places selects the identity of the next n rows, as t: see [Table.Page]. The
// column bunaudit_place has the place of a row, for [At]. It is for PostgreSQL.
func (t *Table) Places(db bun.IDB, after *Row, n int) *bun.SelectQuery {
	sel := db.NewSelect().TableExpr("? AS t", bun.Safe(t.Model.Bun.SQLName))
	place := "jsonb_build_array("
	for i, c := range t.identity {
		sel = sel.ColumnExpr("t.?", bun.Safe(c.field.SQLName))
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

// after keeps the next n rows t, in their order.
func (t *Table) after(sel *bun.SelectQuery, after *Row, n int) *bun.SelectQuery {
	for _, c := range t.identity {
		sel = sel.OrderExpr("t.?", bun.Safe(c.field.SQLName))
	}
	if after != nil && t.Types != nil { // PostgreSQL reads on in the index where it has ended
		columns, places := make([]schema.Safe, len(t.identity)), after.place
		for i, c := range t.identity {
			columns[i] = "t." + c.field.SQLName
		}
		return limit(sel.Where("(?) > (?)", bun.In(columns), bun.In(places)).Limit, n)
	}
	if after != nil {
		// (a, b) > (1, 2), in the form that every database has an index for.
		sel = sel.WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
			for i := range t.identity {
				sel = sel.WhereGroup(" OR ", func(sel *bun.SelectQuery) *bun.SelectQuery {
					for j, c := range t.identity[:i] {
						sel = sel.Where("t.? = ?", bun.Safe(c.field.SQLName), after.place[j])
					}
					return sel.Where("t.? > ?", bun.Safe(t.identity[i].field.SQLName), after.place[i])
				})
			}
			return sel
		}).Where("t.? >= ?", bun.Safe(t.identity[0].field.SQLName), after.place[0])
	}
	return limit(sel.Limit, n)
}

// limit calls Limit, whose argument is an int in some versions of Bun and an
// int64 in others.
func limit[N int | int64](method func(N) *bun.SelectQuery, n int) *bun.SelectQuery {
	return method(N(n))
}
