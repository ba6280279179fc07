package value

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/uptrace/bun/schema"
)

// Decode turns canonical JSON into the Go type of a model's field with the
// field's own scanner, so that the result is what Bun's SELECT would have
// scanned. dest is settable and has the type of the field. What the type can't
// take is an error, which does not show the value, also where Bun would cut a
// number to the size of the type; Decode doesn't panic.
func Decode(f *schema.Field, raw json.RawMessage, dest reflect.Value) (err error) {
	defer func() {
		// A value of another day needn't fit the scanner of today.
		if recover() != nil {
			err = misfit(f)
		}
	}()
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || !json.Valid(raw) {
		return fmt.Errorf("value: column %s (field %s): not JSON", f.Name, f.GoName)
	}
	if cut(f, f.StructField.Type, raw) {
		dest.SetZero()
		return misfit(f)
	}
	if f.Scan == nil {
		return decodeUnscannable(f, raw, dest)
	}
	for _, src := range sources(f, raw) {
		dest.SetZero()
		if f.Scan(dest, src) == nil {
			return nil
		}
	}
	dest.SetZero()
	return misfit(f)
}

func misfit(f *schema.Field) error {
	return fmt.Errorf("value: column %s (field %s): the value does not fit the type %s", f.Name, f.GoName, f.StructField.Type)
}

// sources lists what a driver might have delivered for the value, likeliest
// first.
func sources(f *schema.Field, raw []byte) []any {
	k := KindOf(f)
	switch {
	case raw[0] == 'n':
		return []any{nil}
	case k == KindJSON, k == KindArray && !onPostgres(f), k == KindHstore && !onPostgres(f):
		return jsonSources(raw)
	}
	switch raw[0] {
	case '"':
		return stringSources(f, k, unquote(raw))
	case 't', 'f':
		v := raw[0] == 't'
		n := int64(0)
		if v {
			n = 1
		}
		return []any{v, n, string(raw)}
	case '{', '[':
		switch bs, isBytes := base64Object(raw); {
		case k == KindArray:
			return []any{[]byte(appendArrayLiteral(nil, elemKind(f), raw))}
		case k == KindHstore:
			return []any{appendHstoreLiteral(nil, raw)}
		case isBytes:
			return []any{bs, string(bs)}
		}
		return jsonSources(raw)
	}
	return numberSources(f, k, string(raw))
}

func jsonSources(raw []byte) []any {
	out := []any{bytes.Clone(raw), string(raw)}
	if raw[0] == '"' { // perhaps a text that was no JSON
		s := unquote(raw)
		out = append(out, s, []byte(s))
	}
	return out
}

func stringSources(f *schema.Field, k Kind, s string) []any {
	switch k {
	case KindBytes:
		if bs, err := base64.StdEncoding.DecodeString(s); err == nil {
			return []any{bs, string(bs)}
		}
	case KindTimestampTZ, KindTimestamp:
		if t, ok := parseTime(s); ok {
			return []any{t, s, []byte(s)}
		}
	case KindDate:
		if t, ok := parseTime(s); ok {
			return []any{s, t, []byte(s)}
		}
	case KindFloat:
		if x, err := strconv.ParseFloat(s, 64); err == nil {
			return []any{x, s, []byte(s)}
		}
	case KindArray, KindHstore:
		if s == "" {
			return nil // Bun's parser of arrays would panic
		}
		return []any{[]byte(s)}
	}
	if f.IndirectType.Kind() == reflect.Interface {
		return []any{s}
	}
	return []any{s, []byte(s)}
}

func numberSources(f *schema.Field, k Kind, s string) []any {
	var out []any
	isText := f.IndirectType.Kind() == reflect.String
	if isText || k == KindNumeric {
		out = append(out, s, []byte(s))
	}
	n, errInt := strconv.ParseInt(s, 10, 64)
	switch k {
	case KindTimestampTZ, KindTimestamp, KindDate:
		if errInt == nil {
			out = append(out, time.Unix(n, 0).UTC()) // as SQLite's driver does
		}
	case KindFloat:
		if x, err := strconv.ParseFloat(s, 64); err == nil {
			out = append(out, x)
		}
	}
	if errInt == nil {
		out = append(out, n)
	} else if u, err := strconv.ParseUint(s, 10, 64); err == nil && !isSigned(f) {
		out = append(out, u)
	} else if x, err := strconv.ParseFloat(s, 64); err == nil {
		out = append(out, x)
	}
	return append(out, s, []byte(s))
}

// isSigned is whether Bun's scanner would make a negative number of one that is
// too large for the field: SQLite has them in columns of integers.
func isSigned(f *schema.Field) bool {
	return f.IndirectType.Kind() >= reflect.Int && f.IndirectType.Kind() <= reflect.Int64
}

// decodeUnscannable decodes into a type that Bun writes but has no scanner
// for: an array of bytes.
func decodeUnscannable(f *schema.Field, raw []byte, dest reflect.Value) error {
	typ := f.IndirectType
	if typ.Kind() != reflect.Array || typ.Elem().Kind() != reflect.Uint8 {
		return misfit(f)
	}
	dest.SetZero()
	if raw[0] == 'n' {
		return nil
	}
	if raw[0] != '"' {
		return misfit(f)
	}
	bs, err := base64.StdEncoding.DecodeString(unquote(raw))
	if err != nil || len(bs) != typ.Len() {
		return misfit(f)
	}
	if dest.Kind() == reflect.Pointer {
		dest.Set(reflect.New(typ))
		dest = dest.Elem()
	}
	reflect.Copy(dest, reflect.ValueOf(bs))
	return nil
}

func unquote(raw []byte) string {
	var s string
	_ = json.Unmarshal(raw, &s) // the caller has seen that raw is valid
	return s
}
