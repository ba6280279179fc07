package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
)

// Table says how to read the rows of a model's table. It is immutable.
type Table struct {
	Model *model.Model

	// Types are PostgreSQL's of the table's columns, by name; nil elsewhere.
	Types map[string]value.PostgresType

	// Unsigned are the columns of MariaDB that have no negative numbers, by name.
	Unsigned map[string]bool

	// Generated are the columns that the database computes, by name: no statement
	// may give them a value.
	Generated map[string]bool

	columns  []column // the key, the tracked columns, the soft-delete column
	members  []member // of the key's canonical text
	identity []column // of Model.Identity, for the order
	soft     int      // in columns, or -1
}

// member is a column in the JSON of a key: its name with the quotes, and its place
// in Model.Key.
type member struct {
	name string
	at   int
}

// column is an expression to select, and what becomes of its value.
type column struct {
	field  *schema.Field
	expr   string
	append func(b []byte, v any) ([]byte, error)

	// place makes an argument of a value of the identity, for comparing the
	// column with. Nil: the value is one.
	place func(any) (any, error)
}

// arg makes of a value what the model's field would hold. What MariaDB delivers
// is for encoding: an instant comes as seconds, which no column is compared with.
func (c column) arg(v any) (any, error) {
	raw, err := c.append(nil, v)
	if err != nil {
		return nil, err
	}
	return value.Arg(c.field, raw)
}

// Load finds out how to read the table of m.
func Load(ctx context.Context, db bun.IDB, m *model.Model) (*Table, error) {
	t := &Table{Model: m, Generated: map[string]bool{}, soft: -1}
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
	for i, f := range m.Key {
		t.members = append(t.members, member{name: eventrow.Member(f.Name), at: i})
	}
	slices.SortFunc(t.members, func(a, b member) int { return strings.Compare(m.Key[a.at].Name, m.Key[b.at].Name) })
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
		for name, typ := range types {
			t.Generated[name] = typ.Generated
		}
		return func(f *schema.Field) (column, error) {
			typ, ok := types[f.Name]
			if !ok {
				return column{}, model.MissingColumn(f, m.Table)
			}
			expr := string(value.AppendPostgresExpr(nil, typ, "t."+string(f.SQLName))) + "::text"
			return column{field: f, expr: expr, append: value.AppendPostgres}, nil
		}, nil
	case dialect.SQLite:
		var generated []string
		name := m.Bun.Name[strings.LastIndexByte(m.Bun.Name, '.')+1:]
		if err := db.NewRaw("SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)", name).Scan(ctx, &generated); err != nil {
			return nil, err
		}
		for _, name := range generated {
			t.Generated[name] = true
		}
		return func(f *schema.Field) (column, error) {
			kind := value.KindOf(f)
			// An expression has no declared type that a driver could convert to.
			encode := func(b []byte, v any) ([]byte, error) { return value.Append(b, kind, v) }
			return column{field: f, expr: "+t." + string(f.SQLName), append: encode}, nil
		}, nil
	case dialect.MySQL:
		types, err := value.LoadMySQLTypes(ctx, db, string(m.Bun.SQLName))
		if err != nil {
			return nil, err
		}
		t.Unsigned = map[string]bool{}
		return func(f *schema.Field) (column, error) {
			typ, ok := types[strings.ToLower(f.Name)]
			if !ok {
				return column{}, model.MissingColumn(f, m.Table)
			}
			t.Generated[f.Name] = typ.Generated
			t.Unsigned[f.Name] = strings.Contains(strings.ToLower(typ.Name), "unsigned")
			kind := value.KindOf(f)
			expr := string(value.AppendMySQLExpr(nil, typ, "t."+string(f.SQLName)))
			encode := func(b []byte, v any) ([]byte, error) { return value.AppendMySQL(b, typ, kind, v) }
			return column{field: f, expr: expr, append: encode}, nil
		}, nil
	default:
		return nil, fmt.Errorf("the dialect %s is not supported", d)
	}
}

// Keys returns the table by its keys alone: the rows that it reads have no
// columns.
func (t *Table) Keys() *Table {
	keys := *t
	keys.columns = t.columns[:len(t.Model.Key)]
	return &keys
}
