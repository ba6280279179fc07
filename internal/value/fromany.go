package value

import (
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// FromAny returns the canonical JSON of a Go value whose column is not known: a
// number, a bool, a text, a binary string, an instant, JSON, or what a
// driver.Valuer or encoding.TextMarshaler makes of itself. Anything else is an
// error, which does not show the value.
func FromAny(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case nil:
		return json.RawMessage("null"), nil
	case json.RawMessage:
		if raw, ok := AppendJSON(nil, v); ok {
			return raw, nil
		}
		return nil, errors.New("value: not JSON")
	case json.Number:
		if raw, ok := appendNumber(nil, v.String()); ok {
			return raw, nil
		}
		return nil, errors.New("value: not a number")
	case []byte:
		return appendBase64(nil, v), nil
	case time.Time:
		return appendTime(nil, KindTimestampTZ, v.UTC().Truncate(time.Microsecond)), nil
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return json.RawMessage("null"), nil
	}
	switch m := v.(type) {
	case driver.Valuer:
		dv, err := m.Value()
		if _, again := dv.(driver.Valuer); err == nil && !again {
			return FromAny(dv)
		}
		return nil, fmt.Errorf("value: a %T has no value", v)
	case encoding.TextMarshaler:
		text, err := m.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("value: a %T has no text", v)
		}
		return appendText(nil, string(text)), nil
	}
	switch rv.Kind() {
	case reflect.Pointer:
		return FromAny(rv.Elem().Interface())
	case reflect.String:
		return appendText(nil, rv.String()), nil
	case reflect.Bool:
		return strconv.AppendBool(nil, rv.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(nil, rv.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(nil, rv.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(nil, rv.Float(), rv.Type().Bits()), nil
	}
	return nil, fmt.Errorf("value: a %T can't be a value in a database", v)
}
