package pgevent

import (
	"strconv"
	"strings"

	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// Column is a column that events speak of.
type Column struct {
	Name   string // as in events
	Quoted string // as in SQL
	Type   value.PostgresType
	Mask   sink.Mask // of a tracked column; not sink.Hashed
	At     int       // its place in an image, for Refs that number the columns
}

// Table says which columns events of a table have.
type Table struct {
	Key     []Column // the columns of Event.Key
	Tracked []Column // those of Event.Changes, without the key
	Soft    *Column  // the soft-delete column, or nil
}

// TableOf says which columns events of a model's table have, with the types that
// were read from the catalog. It reports false where one is recorded as a keyed
// hash, which can't be made here.
func TableOf(m *model.Model, types map[string]value.PostgresType) (*Table, bool) {
	column := func(f *schema.Field, mask sink.Mask) Column {
		return Column{Name: f.Name, Quoted: string(f.SQLName), Type: types[f.Name], Mask: mask}
	}
	t := &Table{}
	for _, f := range m.Key {
		t.Key = append(t.Key, column(f, sink.Unmasked))
	}
	for _, c := range m.Columns {
		if c.Mask == sink.Hashed {
			return nil, false
		}
		t.Tracked = append(t.Tracked, column(c.Field, c.Mask))
	}
	if f := m.Bun.SoftDeleteField; f != nil {
		soft := column(f, sink.Unmasked)
		t.Soft = &soft
	}
	return t, true
}

// A Ref appends how the expression names a column of an image.
type Ref func(b []byte, c *Column) []byte

// Bare names columns as they are.
func Bare(b []byte, c *Column) []byte { return append(b, c.Quoted...) }

// Qualified returns a Ref that puts a prefix, such as new., before the name.
func Qualified(prefix string) Ref {
	return func(b []byte, c *Column) []byte { return append(append(b, prefix...), c.Quoted...) }
}

// PostgreSQL's functions take at most 100 arguments.
const (
	pairsInCall = 50
	argsInCall  = 100
)

// AppendKey appends a jsonb expression of the row's key.
func (t *Table) AppendKey(b []byte, row Ref) []byte {
	b = append(b, "jsonb_build_object("...)
	for i := range t.Key {
		if i > 0 {
			b = append(b, ',')
		}
		c := &t.Key[i]
		b = value.AppendPostgresLiteral(b, c.Name)
		b = append(b, ',')
		b = appendValue(b, c, row)
	}
	return append(b, ')')
}

// AppendImage appends a jsonb expression of all tracked columns, with their
// values as side, which is old or new. It is NULL where none is tracked, and fails,
// see [Table.AppendRaise], where the types of the columns are others than they were.
func (t *Table) AppendImage(b []byte, side string, row Ref) []byte {
	holds, conditional := t.AppendHolds(nil, row, false)
	if !conditional {
		return t.appendImage(b, side, row)
	}
	b = append(append(append(b, "CASE WHEN "...), holds...), " THEN "...)
	b = append(t.appendImage(b, side, row), " ELSE "...)
	return append(t.AppendRaise(b, row), " END"...)
}

func (t *Table) appendImage(b []byte, side string, row Ref) []byte {
	if len(t.Tracked) == 0 {
		return append(b, "NULL::jsonb"...)
	}
	for i := range t.Tracked {
		switch {
		case i == 0:
			b = append(b, "jsonb_build_object("...)
		case i%pairsInCall == 0:
			b = append(b, ")||jsonb_build_object("...)
		default:
			b = append(b, ',')
		}
		c := &t.Tracked[i]
		b = append(value.AppendPostgresLiteral(b, c.Name), ',')
		if c.Mask == sink.Redacted {
			b = append(b, redacted...)
			continue
		}
		b = append(append(append(b, "jsonb_build_object('"...), side...), "',"...)
		b = append(appendValue(b, c, row), ')')
	}
	return append(b, ')')
}

const redacted = `'{"mask":"redact"}'::jsonb`

// AppendDiff appends a jsonb expression of the columns that differ between two
// images, with their changes. It is an empty object where none does.
func (t *Table) AppendDiff(b []byte, old, new Ref) []byte {
	if len(t.Key)+len(t.Tracked) == 0 {
		return append(b, "'{}'::jsonb"...)
	}
	b = append(b, "('{'||substr("...)
	n := 0
	add := func(c *Column) {
		switch {
		case n == 0:
			b = append(b, "concat("...)
		case n%argsInCall == 0:
			b = append(b, ")||concat("...)
		default:
			b = append(b, ',')
		}
		n++
		b = append(b, "CASE WHEN "...)
		b = appendDiffers(b, c, old, new)
		if c.Mask == sink.Redacted {
			b = value.AppendPostgresLiteral(append(b, " THEN "...), member(c)+`{"mask":"redact"}`)
		} else {
			b = value.AppendPostgresLiteral(append(b, " THEN concat("...), member(c))
			b = append(b, ",jsonb_build_object('old',"...)
			b = appendValue(b, c, old)
			b = append(b, ",'new',"...)
			b = append(appendValue(b, c, new), "))"...)
		}
		b = append(b, " END"...)
	}
	for i := range t.Key {
		add(&t.Key[i])
	}
	for i := range t.Tracked {
		add(&t.Tracked[i])
	}
	return append(b, "),2)||'}')::jsonb"...)
}

// AppendKeyDiffers appends a boolean expression that is true where the key of
// two images differs.
func (t *Table) AppendKeyDiffers(b []byte, old, new Ref) []byte {
	b = append(b, '(')
	for i := range t.Key {
		if i > 0 {
			b = append(b, " OR "...)
		}
		b = appendDiffers(b, &t.Key[i], old, new)
	}
	return append(b, ')')
}

// AppendHolds appends a boolean expression that is true where the types of the
// columns that the other expressions depend on are what they were when the
// columns were read; or nothing, and false, where they depend on none. diff says
// that the expressions compare two images.
func (t *Table) AppendHolds(b []byte, row Ref, diff bool) ([]byte, bool) {
	var types []byte
	n := 0
	add := func(c *Column) {
		shown := c.Type.IsTime() && c.Mask != sink.Redacted
		compared := diff && c.Type.EqualIsSame()
		if !shown && !compared {
			return
		}
		if n++; n == 1 {
			b = append(b, "ARRAY[pg_typeof("...)
		} else {
			b = append(b, ",pg_typeof("...)
			types = append(types, ',')
		}
		b = append(row(b, c), ')')
		types = strconv.AppendInt(types, c.Type.OID, 10)
	}
	for i := range t.Key {
		add(&t.Key[i])
	}
	for i := range t.Tracked {
		add(&t.Tracked[i])
	}
	if n == 0 {
		return b, false
	}
	return append(append(append(b, "]='{"...), types...), "}'::regtype[]"...), true
}

// AppendSame appends a boolean expression that is true where two images are the
// same, byte for byte, in all columns of the table.
func (t *Table) AppendSame(b []byte, old, new Ref) []byte {
	for i, row := range []Ref{old, new} {
		if i > 0 {
			b = append(b, "*="...)
		}
		b = append(b, "ROW("...)
		n := 0
		for _, columns := range [][]Column{t.Key, t.Tracked} {
			for i := range columns {
				if n++; n > 1 {
					b = append(b, ',')
				}
				b = row(b, &columns[i])
			}
		}
		b = append(b, ")::record"...) // without the cast it would compare column by column
	}
	return b
}

// AppendRaise appends a jsonb expression that fails, with an error that
// [IsRaised] knows.
func (t *Table) AppendRaise(b []byte, row Ref) []byte {
	b = append(b, "to_jsonb(concat('"+raised+"',pg_typeof("...)
	return append(row(b, &t.Key[0]), "))::int)"...)
}

const raised = "bunaudit:"

// IsRaised reports whether an error of the database is that of [Table.AppendRaise].
func IsRaised(err error) bool { return err != nil && strings.Contains(err.Error(), `"`+raised) }

// AppendWasDeleted appends a boolean expression that is true where the row
// counts as soft-deleted: Bun takes NULL, or the zero value where the column
// isn't nullable, for a row that is there.
func (t *Table) AppendWasDeleted(b []byte, row Ref) []byte {
	b = append(b, '(')
	b = value.AppendPostgresExprAs(b, t.Soft.Type, string(row(nil, t.Soft)))
	b = append(b, "::text NOT IN ("...)
	for i, zero := range model.ZeroMarks() {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.AppendPostgresLiteral(b, zero)
	}
	return append(b, "))"...)
}

// appendValue appends the canonical value as an argument of jsonb_build_object,
// which makes of most types what to_jsonb makes of them.
func appendValue(b []byte, c *Column, row Ref) []byte {
	if c.Type.Plain() {
		return row(b, c)
	}
	return value.AppendPostgresExprAs(b, c.Type, string(row(nil, c)))
}

// appendDiffers compares the canonical values. For types in which two values
// are equal just if their canonical values are, it compares the columns.
func appendDiffers(b []byte, c *Column, old, new Ref) []byte {
	switch {
	case c.Type.EqualIsSame():
		return new(append(old(b, c), " IS DISTINCT FROM "...), c)
	case c.Type.IsText(): // whatever the column's collation takes for equal
		return new(append(old(b, c), ` COLLATE "C" IS DISTINCT FROM `...), c)
	}
	b = value.AppendPostgresExprAs(b, c.Type, string(old(nil, c)))
	b = append(b, "::text<>"...)
	b = value.AppendPostgresExprAs(b, c.Type, string(new(nil, c)))
	return append(b, "::text"...)
}

// member is how the column begins in the JSON of changes.
func member(c *Column) string { return string(value.AppendString([]byte{','}, c.Name)) + ":" }
