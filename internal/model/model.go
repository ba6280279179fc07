package model

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/sink"
)

// Model is an audited model: Bun's table and what its audit tags say.
type Model struct {
	// Bun is the table that the model is read from.
	Bun *schema.Table

	// Table is the table's name as the model declares it.
	Table string

	// Label names the model in events.
	Label string

	// Key are the columns that events carry as the row's key, in the order of
	// the struct: those tagged audit_key, else the primary key. Never empty.
	Key []*schema.Field

	// Identity are the columns that tell the rows apart while a statement
	// runs: the primary key, or Key for a model without one. Never empty.
	Identity []*schema.Field

	// Columns are the tracked columns that are not in Key, in the order of
	// the struct.
	Columns []Column

	// Was has the tracked columns, and those of Key, by the names that they had
	// before, which old events have: the tags audit_was.
	Was map[string]*schema.Field

	byName map[string]*schema.Field
}

// Column is a tracked column.
type Column struct {
	Field *schema.Field
	Mask  sink.Mask
}

// Of reads the audit tags of a model. It returns nil and no error for a model
// that has none.
func Of(t *schema.Table) (*Model, error) {
	base, err := baseOptions(t.Type)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", t.TypeName, err)
	}
	m := &Model{Bun: t, Table: t.Name, Label: base.label, byName: map[string]*schema.Field{}}
	if m.Label == "" {
		m.Label = t.TypeName
	}
	if err := m.readFields(base); err != nil {
		return nil, fmt.Errorf("model %s: %w", t.TypeName, err)
	}
	if m.Key == nil { // nothing is tagged
		return nil, nil
	}
	return m, nil
}

func (m *Model) readFields(base options) error {
	t := m.Bun
	tagged := base.any // some tag speaks of the audit, so it has to make sense
	audited := base.audited()
	tags := make([]options, len(t.Fields))
	for i, f := range t.Fields {
		opt, err := fieldOptions(f)
		if err != nil {
			return err
		}
		tags[i] = opt
		tagged = tagged || opt.any
		audited = audited || opt.audited()
		if opt.key {
			m.Key = append(m.Key, f)
		}
	}
	if err := onlyColumnsTagged(t); err != nil {
		return err
	}
	if !tagged || (!audited && base.value == "-" && len(m.Key) == 0) {
		m.Key = nil
		return nil
	}
	if !audited {
		return fmt.Errorf("has audit options, but no column is audited: tag bun.BaseModel or a field with audit")
	}
	if base.value == "-" {
		return fmt.Errorf("bun.BaseModel says audit:-, but a field says audit: remove one of them")
	}
	if len(m.Key) == 0 {
		m.Key = t.PKs
	}
	m.Identity = t.PKs
	if len(m.Identity) == 0 {
		m.Identity = m.Key
	}
	if len(m.Key) == 0 {
		return fmt.Errorf("has no primary key: tag the columns that identify a row with audit_key")
	}
	isKey := make(map[*schema.Field]bool, len(m.Key))
	for _, f := range m.Key {
		isKey[f] = true
	}
	for i, f := range t.Fields {
		m.byName[f.Name] = f
		opt := tags[i]
		if isKey[f] {
			if opt.value != "" {
				return fmt.Errorf("field %s is part of the key, which is always recorded: audit:%s can't apply", f.GoName, opt.value)
			}
			continue
		}
		if !opt.has {
			opt.has, opt.value = base.has, base.value
		}
		switch {
		case opt.audited():
			m.Columns = append(m.Columns, Column{Field: f, Mask: opt.mask()})
		case opt.was != nil:
			return fmt.Errorf("field %s has the tag audit_was, but is not audited", f.GoName)
		}
	}
	return m.readWas(tags)
}

// readWas reads the earlier names. One that is also the name of a column today
// would make it a guess which of the two an event speaks of.
func (m *Model) readWas(tags []options) error {
	for i, f := range m.Bun.Fields {
		for _, name := range tags[i].was {
			if other, ok := m.byName[name]; ok {
				return fmt.Errorf("field %s says audit_was:%s, but that is the column of field %s", f.GoName, name, other.GoName)
			}
			if other, ok := m.Was[name]; ok {
				return fmt.Errorf("fields %s and %s both say audit_was:%s", other.GoName, f.GoName, name)
			}
			if m.Was == nil {
				m.Was = map[string]*schema.Field{}
			}
			m.Was[name] = f
		}
	}
	return nil
}

// Current returns the name that a column of an old event has today: another one
// where a tag audit_was says so.
func (m *Model) Current(column string) string {
	if f, ok := m.Was[column]; ok {
		return f.Name
	}
	return column
}

// Names returns the names under which events know a column: the one that it has
// and those that it had before.
func (m *Model) Names(column string) []string {
	names := []string{column}
	for was, f := range m.Was {
		if f.Name == column {
			names = append(names, was)
		}
	}
	slices.Sort(names[1:])
	return names
}

// Field returns the column of that name, tracked or not.
func (m *Model) Field(column string) (*schema.Field, bool) {
	f, ok := m.byName[column]
	return f, ok
}

// Column returns the tracked column of that name; a key column is tracked.
func (m *Model) Column(name string) (Column, bool) {
	for _, c := range m.Columns {
		if c.Field.Name == name {
			return c, true
		}
	}
	for _, f := range m.Key {
		if f.Name == name {
			return Column{Field: f}, true
		}
	}
	return Column{}, false
}

// MissingColumn is the error of a table, by whatever name, that lacks a column of
// its model.
func MissingColumn(f *schema.Field, table string) error {
	return fmt.Errorf("the table %s has no column %s, which the model's field %s stands for", table, f.SQLName, f.GoName)
}

// onlyColumnsTagged refuses an audit tag on what is not a column: a relation,
// a scan-only field, or a field that Bun doesn't see.
func onlyColumnsTagged(t *schema.Table) error {
	columns := make(map[string]bool, len(t.Fields))
	for _, f := range t.Fields {
		columns[f.GoName] = true
	}
	for _, sf := range reflect.VisibleFields(t.Type) {
		if sf.Anonymous || columns[sf.Name] {
			continue
		}
		for _, o := range split(sf.Tag.Get("bun")) {
			if strings.HasPrefix(o.name, "audit") {
				return fmt.Errorf("field %s has the tag %s, but is no column of the table", sf.Name, o.name)
			}
		}
	}
	return nil
}

// ZeroMarks are the values, as JSON, of a soft-delete column that mean that the
// row is there: Bun takes NULL for that, or the zero value where the column
// isn't nullable.
func ZeroMarks() []string {
	return []string{`null`, `0`, `false`, `""`,
		`"0001-01-01T00:00:00.000000Z"`, `"0001-01-01T00:00:00.000000"`, `"0001-01-01"`}
}
