package model

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/sink"
)

// The tag options, as written in the bun key of a struct tag.
const (
	optAudit = "audit"
	optLabel = "audit_label"
	optKey   = "audit_key"
	optWas   = "audit_was"
)

// IsOption reports whether name is one of the tag options that this library
// reads, and that Bun therefore warns about.
func IsOption(name string) bool {
	return name == optAudit || name == optLabel || name == optKey || name == optWas
}

// options are the audit options of one struct tag.
type options struct {
	any   bool   // there is some audit option
	has   bool   // there is the option audit, with or without a value
	value string // its value: "", "-", "redact" or "hash"
	label string
	key   bool
	was   []string
}

func (o options) audited() bool { return o.has && o.value != "-" }

func (o options) mask() sink.Mask { return sink.Mask(o.value) }

func (o *options) set(name, value string) error {
	if !strings.HasPrefix(name, optAudit) {
		return nil
	}
	o.any = true
	switch name {
	case optAudit:
		if o.has {
			return fmt.Errorf("the tag audit is given twice")
		}
		switch sink.Mask(value) {
		case sink.Unmasked, sink.Redacted, sink.Hashed, "-":
			o.has, o.value = true, value
			return nil
		}
		return fmt.Errorf("unknown tag audit:%s: the values are audit, audit:-, audit:redact and audit:hash", value)
	case optLabel:
		if value == "" {
			return fmt.Errorf("the tag audit_label wants a name, as in audit_label:Invoice")
		}
		o.label = value
		return nil
	case optKey:
		if value != "" {
			return fmt.Errorf("the tag audit_key takes no value")
		}
		o.key = true
		return nil
	case optWas:
		if value == "" {
			return fmt.Errorf("the tag audit_was wants the column's old name, as in audit_was:surname")
		}
		o.was = append(o.was, value)
		return nil
	}
	return fmt.Errorf("unknown tag %s: the audit tags are audit, audit_label, audit_key and audit_was", name)
}

// fieldOptions reads the audit options of a column.
func fieldOptions(f *schema.Field) (options, error) {
	var o options
	for name, values := range f.Tag.Options {
		for _, value := range values {
			if err := o.set(name, value); err != nil {
				return o, fmt.Errorf("field %s: %w", f.GoName, err)
			}
		}
	}
	switch {
	case o.label != "":
		return o, fmt.Errorf("field %s: the tag audit_label belongs on bun.BaseModel", f.GoName)
	case f.Tag.Name == optAudit && !strings.EqualFold(f.GoName, optAudit):
		return o, fmt.Errorf(`field %s: the tag bun:"audit" names the column; to audit it write bun:",audit", to name it write bun:"column:audit"`, f.GoName)
	}
	return o, nil
}

var baseModelType = reflect.TypeFor[schema.BaseModel]()

// baseOptions reads the audit options of the bun.BaseModel that gives typ its
// table: its own, or that of a struct it extends.
func baseOptions(typ reflect.Type) (options, error) {
	var inherited options
	for i := range typ.NumField() {
		sf := typ.Field(i)
		if !sf.Anonymous {
			continue
		}
		if sf.Type == baseModelType {
			return readBase(sf.Tag.Get("bun"))
		}
		sub := sf.Type
		if sub.Kind() == reflect.Pointer {
			sub = sub.Elem()
		}
		if sub.Kind() == reflect.Struct && extends(sf.Tag.Get("bun")) {
			o, err := baseOptions(sub)
			if err != nil {
				return o, err
			}
			inherited = o
		}
	}
	return inherited, nil
}

func readBase(tag string) (options, error) {
	var o options
	for _, opt := range split(tag) {
		if err := o.set(opt.name, opt.value); err != nil {
			return o, fmt.Errorf("bun.BaseModel: %w", err)
		}
	}
	switch {
	case o.key:
		return o, fmt.Errorf("bun.BaseModel: the tag audit_key belongs on the fields that identify a row")
	case o.was != nil:
		return o, fmt.Errorf("bun.BaseModel: the tag audit_was belongs on the field that has another name now")
	}
	return o, nil
}

func extends(tag string) bool {
	for _, o := range split(tag) {
		if o.name == "extend" || o.name == "inherit" {
			return true
		}
	}
	return false
}

type option struct{ name, value string }

// split takes the options of a bun tag apart, as Bun does: the first element
// is the table's or column's name unless it has a colon, quotes protect commas
// and so do parentheses in a value. Bun keeps the parsed tag of a field but not
// that of bun.BaseModel.
func split(tag string) []option {
	var opts []option
	for i, part := range splitCommas(tag) {
		name, value, hasValue := strings.Cut(part, ":")
		if i == 0 && !hasValue {
			continue
		}
		opts = append(opts, option{name: unquote(name), value: unquote(value)})
	}
	return opts
}

func splitCommas(s string) []string {
	var parts []string
	start, depth := 0, 0
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
