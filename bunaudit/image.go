package bunaudit

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"

	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// columns says how to read the images of a table's rows: what to select, and
// what the values that come back mean. A row's select list is its identity
// followed by its image.
type columns struct {
	identity []column // of model.Identity
	image    []column // of fields
	nullable bool     // a column of the identity may be NULL: of a row that is new
	fields   []*schema.Field

	key     []int // where the key's columns are in the image
	tracked []trackedColumn
	soft    int // where the soft-delete column is, or -1

	// Of MariaDB: which of the identity's columns the database numbers, from 1; all
	// columns of the table; and their types, by their names in lower case.
	numbered int
	all      []column
	types    map[string]value.MySQLType

	// isModels says that the table, which the statement names with a schema, is
	// the one that the model means without.
	isModels bool
	relation relation

	// inline says how a statement writes its events by itself, or is nil.
	inline *inline
}

// relation is what stands behind a table's name, as far as the capture differs.
type relation uint8

const (
	ordinary    relation = iota
	partitioned          // an INSERT says nothing of the versions of its rows
	remote               // a view or a foreign table: no statement does
)

// column is an expression to select: what stands before and after the
// qualified name of the column.
type column struct {
	expr    func(b []byte, qualified string) []byte
	name    string // quoted
	literal literalOf
	// assigned selects what the column will hold, in the form of expr, once the
	// expression is assigned to it. Of identity columns.
	assigned func(b []byte, expression string) []byte
	json     jsonOf
}

type trackedColumn struct {
	at   int // in the image
	name string
	mask sink.Mask
}

// layOut decides which columns make an image: those that identify the row, the
// tracked ones, and the one that says whether it is deleted.
func layOut(m *model.Model) *columns {
	c := &columns{soft: -1}
	at := make(map[*schema.Field]int)
	add := func(f *schema.Field) int {
		if i, ok := at[f]; ok {
			return i
		}
		at[f] = len(c.fields)
		c.fields = append(c.fields, f)
		return at[f]
	}
	for _, f := range m.Key {
		c.key = append(c.key, add(f))
	}
	for _, tc := range m.Columns {
		c.tracked = append(c.tracked, trackedColumn{at: add(tc.Field), name: tc.Field.Name, mask: tc.Mask})
	}
	if f := m.Bun.SoftDeleteField; f != nil {
		c.soft = add(f)
	}
	return c
}

// width is the number of expressions in the select list.
func (c *columns) width() int { return len(c.identity) + len(c.image) }

// appendList appends the select list, its columns qualified by the table's
// name or alias, or bare where that is empty.
func (c *columns) appendList(b []byte, qualifier string) []byte {
	for i, col := range c.identity {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = col.expr(b, qualified(qualifier, col.name))
	}
	for _, col := range c.image {
		b = append(b, ", "...)
		b = col.expr(b, qualified(qualifier, col.name))
	}
	return b
}

// identityNames are the qualified, quoted names of the identity's columns.
func (c *columns) identityNames(qualifier string) []string {
	names := make([]string, len(c.identity))
	for i, col := range c.identity {
		names[i] = qualified(qualifier, col.name)
	}
	return names
}

func qualified(qualifier, name string) string {
	if qualifier == "" {
		return name
	}
	return qualifier + "." + name
}

// row decodes what a select list of width columns has delivered.
func (c *columns) row(values []driver.Value) (identity, image, error) {
	id, err := c.identityOf(values)
	if err != nil {
		return nil, nil, err
	}
	values = values[len(c.identity):]
	img := make(image, len(c.image))
	for i, col := range c.image {
		if img[i], err = col.json(values[i]); err != nil {
			return nil, nil, fmt.Errorf("column %s: %w", col.name, err)
		}
	}
	return id, img, nil
}

// identityOf decodes the columns of an identity.
func (c *columns) identityOf(values []driver.Value) (identity, error) {
	id := make(identity, len(c.identity))
	for i, col := range c.identity {
		if values[i] == nil && c.nullable {
			id[i] = null
			continue
		}
		if values[i] == nil {
			return nil, fmt.Errorf("a row has NULL in its key column %s, so that it can't be told from others", col.name)
		}
		var err error
		if id[i], err = col.literal(values[i]); err != nil {
			return nil, fmt.Errorf("column %s: %w", col.name, err)
		}
	}
	return id, nil
}

// null is a column of an identity that has no value.
const null = "NULL"

// isNew reports whether the identity can be no other row's.
func (id identity) isNew() bool { return slices.Contains(id, null) }

// mapKey is the identity as a key of a map.
func (id identity) mapKey() string {
	var b []byte
	for _, s := range id {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, ':')
		b = append(b, s...)
	}
	return string(b)
}

// keyOf returns the key that events carry.
func (c *columns) keyOf(img image) sink.Values {
	key := make(sink.Values, len(c.key))
	for _, i := range c.key {
		key[c.fields[i].Name] = img[i]
	}
	return key
}

// sameKey reports whether two images of a row have the same key.
func (c *columns) sameKey(a, b image) bool {
	for _, i := range c.key {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// isDeleted reports whether the row counts as soft-deleted: Bun takes NULL, or
// the zero value where the column isn't nullable, for a row that is there.
func (c *columns) isDeleted(img image) bool {
	if c.soft < 0 {
		return false
	}
	return !slices.Contains(model.ZeroMarks(), string(img[c.soft]))
}
