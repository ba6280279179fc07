package value

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun/schema"
)

// Forms returns the canonical JSON of a Go value in the field's column, as [FromGo]
// does. Where the model's tag doesn't say the type of the column, and the value
// would have another form in a column of another type that Bun writes it to, these
// follow: the table may have been made by hand, with a uuid where Bun would give
// bytea, or a timestamp for an instant.
func Forms(f *schema.Field, v any) ([]json.RawMessage, error) {
	raw, err := FromGo(f, v)
	if err != nil {
		return nil, err
	}
	forms := []json.RawMessage{raw}
	kind := KindOf(f)
	if !undeclared(f) || string(raw) == "null" {
		return forms, nil
	}
	for _, k := range kindsLike(kind) {
		if raw, ok := (goValue{field: f, kind: k}).append(nil, v); ok {
			forms = append(forms, raw)
		}
	}
	if t, ok := v.(time.Time); ok && kind == KindTimestampTZ { // MariaDB may have an instant, too
		forms = append(forms, appendTime(nil, kind, t.UTC().Truncate(time.Microsecond)))
	}
	if kind == KindInt || kind == KindBool {
		return forms, nil
	}
	return others(forms, f.IndirectType.Kind() != reflect.String), nil
}

// FormsOfAny is to [FromAny] what [Forms] is to [FromGo].
func FormsOfAny(v any) ([]json.RawMessage, error) {
	raw, err := FromAny(v)
	if err != nil {
		return nil, err
	}
	forms := []json.RawMessage{raw}
	if t, ok := v.(time.Time); ok {
		t = t.UTC().Truncate(time.Microsecond)
		forms = append(forms, appendTime(nil, KindTimestamp, t), appendTime(nil, KindDate, t))
	}
	return others(forms, false), nil
}

// undeclared reports whether the model leaves open what type the column has.
func undeclared(f *schema.Field) bool {
	return userSQLType(f) == "" && !slices.ContainsFunc([]string{"msgpack", "array", "hstore", "multirange"}, f.Tag.HasOption)
}

// kindsLike are other kinds of columns that take what Bun writes for one.
func kindsLike(k Kind) []Kind {
	switch k {
	case KindTimestampTZ:
		return []Kind{KindTimestamp, KindDate}
	case KindBytes: // types of bytes that are written as a text, as UUIDs are
		return []Kind{KindText}
	case KindText:
		return []Kind{KindNumeric, KindTimestampTZ, KindTimestamp, KindDate}
	}
	return nil
}

// others adds the forms that UUIDs and decimals have in columns of their own type,
// integers too if they may be decimals, and leaves out what comes again.
func others(forms []json.RawMessage, integers bool) []json.RawMessage {
	for _, raw := range forms {
		if id, ok := normalUUID(unquote(raw)); ok {
			forms = append(forms, AppendString(nil, id))
		}
		if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' {
			forms = append(forms, scaled(raw, integers)...)
		}
	}
	var once []json.RawMessage
	for _, raw := range forms {
		if !slices.ContainsFunc(once, func(r json.RawMessage) bool { return bytes.Equal(r, raw) }) {
			once = append(once, raw)
		}
	}
	return once
}

// mostDecimals is how many decimals a column is taken to have at most, where that
// isn't known.
const mostDecimals = 10

// scaled are the forms of a number in columns with more decimals than it has.
func scaled(raw json.RawMessage, integers bool) []json.RawMessage {
	point := bytes.IndexByte(raw, '.')
	if point < 0 {
		if !integers {
			return nil
		}
		point = len(raw)
	}
	var forms []json.RawMessage
	for n := max(len(raw)-point-1, 0) + 1; n <= mostDecimals; n++ {
		form := bytes.Clone(raw)
		if point == len(raw) {
			form = append(form, '.')
		}
		forms = append(forms, append(form, strings.Repeat("0", point+1+n-len(form))...))
	}
	return forms
}
