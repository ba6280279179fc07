package value

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"

	"github.com/uptrace/bun/schema"
)

// cut reports whether Bun's scanner would make another number of the value, having
// no room for it in the type: it doesn't look. Types with a scanner of their own
// see to that themselves, and so does JSON.
func cut(f *schema.Field, typ reflect.Type, raw []byte) bool {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	scanner := reflect.TypeFor[sql.Scanner]()
	if typ.Implements(scanner) || reflect.PointerTo(typ).Implements(scanner) || f.Tag.HasOption("msgpack") {
		return false
	}
	text := string(raw)
	switch raw[0] {
	case '"':
		text = unquote(raw)
	case '[':
		return KindOf(f) == KindArray && onPostgres(f) && cutElement(f, typ, raw)
	}
	switch typ.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		_, err := strconv.ParseInt(text, 10, typ.Bits())
		return errors.Is(err, strconv.ErrRange)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n < 0 {
			return !writesNegative(f, typ.Bits()) || n < -1<<(typ.Bits()-1)
		}
		_, err := strconv.ParseUint(text, 10, typ.Bits())
		return errors.Is(err, strconv.ErrRange)
	case reflect.Float32:
		x, err := strconv.ParseFloat(text, 64)
		return err == nil && !math.IsInf(x, 0) && math.IsInf(float64(float32(x)), 0)
	}
	return false
}

func cutElement(f *schema.Field, typ reflect.Type, raw []byte) bool {
	var elems []json.RawMessage
	if typ.Kind() != reflect.Slice && typ.Kind() != reflect.Array || json.Unmarshal(raw, &elems) != nil {
		return false
	}
	for _, e := range elems {
		if cut(f, typ.Elem(), bytes.TrimSpace(e)) {
			return true
		}
	}
	return false
}

// writesNegative reports whether Bun writes large unsigned numbers of so many bits
// as negative ones, as PostgreSQL's dialect can be told to.
func writesNegative(f *schema.Field, bits int) bool {
	if f.Table == nil || bits < 32 {
		return false
	}
	return f.Table.Dialect().AppendUint32(nil, math.MaxUint32)[0] == '-'
}
