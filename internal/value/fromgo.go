package value

import (
	"bytes"
	"database/sql/driver"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun/extra/bunjson"
	"github.com/uptrace/bun/schema"
)

// FromGo returns the canonical JSON that the database would have given for a
// Go value in the field's column: an integer of any size for an integer column,
// a string or a type that renders itself for text and uuid, time.Time for times,
// a driver.Valuer by its value, nil for NULL. A value that the column or the
// field's Go type could not hold is an error, which does not show the value.
//
// Nor is there one for what is encoded without a fixed form, of which only the
// stored text tells: a field tagged msgpack, or a type that renders itself.
func FromGo(f *schema.Field, v any) (json.RawMessage, error) {
	g := goValue{field: f, kind: KindOf(f)}
	raw, ok := g.append(nil, v)
	if why := unfixed(f, v, ok); why != "" && string(raw) != "null" {
		return nil, fmt.Errorf("value: column %s (field %s): %s: compare with what the events have, as JSON or []byte, in a query by ForTable", f.Name, f.GoName, why)
	}
	if !ok {
		return nil, fmt.Errorf("value: column %s: a %T can't be the value of a column of type %s", f.Name, v, f.StructField.Type)
	}
	if Decode(f, raw, reflect.New(f.StructField.Type).Elem()) != nil {
		return nil, fmt.Errorf("value: column %s: the %T is not a valid %s", f.Name, v, f.StructField.Type)
	}
	return raw, nil
}

// unfixed says why a value, known by its Go type or not, has no canonical JSON
// that could be told beforehand, if it has none.
func unfixed(f *schema.Field, v any, known bool) string {
	if f.Tag.HasOption("msgpack") {
		return "it is tagged msgpack, by which the same value may have been encoded in several ways"
	}
	if _, renders := v.(schema.QueryAppender); renders && !known && ownsItsForm(f.IndirectType) {
		return fmt.Sprintf("a %T renders itself by AppendQuery", v)
	}
	return ""
}

// goValue appends Go values for a column.
type goValue struct {
	field  *schema.Field
	kind   Kind
	valued bool // the value is what a driver.Valuer returned
}

func (g goValue) append(b []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), true
	case schema.NullTime:
		if v.IsZero() {
			return append(b, "null"...), true
		}
		return g.append(b, v.Time)
	case time.Time:
		return g.appendTime(b, v)
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return append(b, "null"...), true
	}
	if valuer, ok := v.(driver.Valuer); ok && !g.valued {
		dv, err := valuer.Value()
		if err != nil {
			return b, false
		}
		g.valued = true
		return g.append(b, dv)
	}
	if rv.Kind() == reflect.Pointer {
		elem := rv.Elem().Interface()
		if _, ok := elem.(encoding.TextMarshaler); ok || !isText(v) {
			return g.append(b, elem)
		}
	}
	switch g.kind {
	case KindJSON, KindHstore:
		return g.appendJSON(b, v)
	case KindArray:
		return g.appendArray(b, rv)
	}
	return g.appendKind(b, rv)
}

func (g goValue) appendTime(b []byte, t time.Time) ([]byte, bool) {
	kind := g.kind
	if kind == KindTimestamp && onMariaDB(g.field) && baseSQLType(userSQLType(g.field)) == "TIMESTAMP" {
		kind = KindTimestampTZ // it is an instant there
	} else if onMariaDB(g.field) {
		t = asMariaDBReads(g.field, t)
	}
	t = t.UTC().Truncate(time.Microsecond) // as Bun writes it
	switch kind {
	case KindTimestampTZ, KindTimestamp:
		return appendTime(b, kind, t), true
	case KindDate:
		if !onSQLite(g.field) {
			t = t.Truncate(24 * time.Hour)
		}
		return appendTime(b, g.kind, t), true
	}
	return b, false
}

// asMariaDBReads is the date and the time of day that Bun's dialect for MariaDB
// writes: those of the time's own zone, unless it was given another one.
func asMariaDBReads(f *schema.Field, t time.Time) time.Time {
	literal := strings.Trim(string(f.Table.Dialect().AppendTime(nil, t)), "'")
	if written, err := time.Parse("2006-01-02 15:04:05.999999", literal); err == nil {
		return written
	}
	return t
}

func (g goValue) appendKind(b []byte, v reflect.Value) ([]byte, bool) {
	switch v.Kind() {
	case reflect.String:
		return g.appendString(b, v.String())
	case reflect.Bool:
		if g.kind == KindBool || g.kind == KindText && g.custom() {
			return strconv.AppendBool(b, v.Bool()), true
		}
		return b, false
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := v.Int(); g.kind == KindBool && g.valued && (n == 0 || n == 1) {
			return strconv.AppendBool(b, n == 1), true
		}
		return g.appendNumber(b, strconv.FormatInt(v.Int(), 10), true)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return g.appendNumber(b, strconv.FormatUint(v.Uint(), 10), true)
	case reflect.Float32, reflect.Float64:
		if g.kind == KindFloat {
			return appendFloat(b, v.Float(), v.Type().Bits()), true
		}
		return g.appendNumber(b, strconv.FormatFloat(v.Float(), 'f', -1, v.Type().Bits()), false)
	}
	return g.appendOther(b, v)
}

// custom reports whether the field's Go type says itself what is stored, so
// that any shape may be right.
func (g goValue) custom() bool { return ownsItsForm(g.field.IndirectType) }

// appendNumber appends a number for a column of numbers.
func (g goValue) appendNumber(b []byte, s string, integer bool) ([]byte, bool) {
	switch g.kind {
	case KindInt:
		if !integer {
			return b, false
		}
	case KindNumeric:
		if onSQLite(g.field) {
			return appendAffine(b, s)
		}
		return appendScaled(b, s, userSQLType(g.field))
	case KindFloat:
	case KindText:
		if !g.custom() {
			return b, false
		}
	default:
		return b, false
	}
	return appendNumber(b, s)
}

// appendScaled appends a number as a column of that type prints it: numeric(10,2)
// always has two decimals. What has more of them, but zeros, stays as it is: the
// column holds no such number.
func appendScaled(b []byte, s, sqlType string) ([]byte, bool) {
	start := len(b)
	b, ok := appendNumber(b, s)
	scale, declared := declaredScale(sqlType)
	if !ok || !declared {
		return b, ok
	}
	decimals := 0
	if point := bytes.IndexByte(b[start:], '.'); point >= 0 {
		decimals = len(b) - start - point - 1
	}
	for decimals > scale && b[len(b)-1] == '0' {
		b = b[:len(b)-1]
		decimals--
	}
	if decimals == 0 {
		b = bytes.TrimSuffix(b, []byte("."))
	}
	for ; decimals < scale; decimals++ {
		if decimals == 0 {
			b = append(b, '.')
		}
		b = append(b, '0')
	}
	return b, true
}

// declaredScale returns the number of decimals of a type such as numeric(10,2),
// which is 0 for numeric(10), if it declares one.
func declaredScale(sqlType string) (int, bool) {
	_, args, ok := strings.Cut(sqlType, "(")
	if !ok {
		return 0, false
	}
	args, _, _ = strings.Cut(args, ")")
	_, last, ok := strings.Cut(args, ",")
	if !ok {
		return 0, true
	}
	scale, err := strconv.Atoi(strings.TrimSpace(last))
	return scale, err == nil && scale >= 0
}

// appendAffine appends a number as SQLite keeps it in a NUMERIC column: as an
// integer of 64 bits or a float.
func appendAffine(b []byte, s string) ([]byte, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.AppendInt(b, n, 10), true
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return b, false
	}
	return appendFloat(b, x, 64), true
}

func (g goValue) appendString(b []byte, s string) ([]byte, bool) {
	switch g.kind {
	case KindInt:
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			if _, err := strconv.ParseUint(s, 10, 64); err != nil {
				return b, false
			}
		}
		return g.appendNumber(b, s, true)
	case KindFloat, KindNumeric:
		if s == "NaN" || s == "Infinity" || s == "-Infinity" {
			return AppendString(b, s), true
		}
		return g.appendNumber(b, s, false)
	case KindTimestampTZ, KindTimestamp, KindDate:
		if t, ok := parseTime(s); ok {
			return g.appendTime(b, t)
		}
		return b, false
	case KindBytes:
		return appendBase64(b, []byte(s)), true
	case KindBool:
		return b, false
	}
	if onPostgres(g.field) {
		var ok bool
		if s, ok = g.asPostgresPrints(s); !ok {
			return b, false
		}
	}
	return appendText(b, s), true
}

// asPostgresPrints gives a text the form in which PostgreSQL prints it back.
func (g goValue) asPostgresPrints(s string) (string, bool) {
	switch name := userSQLType(g.field); baseSQLType(name) {
	case "UUID":
		return normalUUID(s)
	case "CHAR", "CHARACTER":
		n := 1
		if _, length, ok := strings.Cut(name, "("); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(length), ")")))
		}
		if pad := n - len([]rune(s)); pad > 0 {
			s += strings.Repeat(" ", pad)
		}
	}
	return s, true
}

func (g goValue) appendOther(b []byte, v reflect.Value) ([]byte, bool) {
	var bs []byte
	switch {
	case g.kind == KindBytes && isBytes(v.Type()):
		return appendBase64(b, bytesOf(v)), true
	case g.kind != KindText && g.kind != KindNumeric:
		return b, false
	}
	p := v
	if v.Kind() != reflect.Pointer { // which has methods that its element hasn't, as *net.IPNet does
		p = reflect.New(v.Type())
		p.Elem().Set(v)
	}
	switch s := p.Interface().(type) {
	case encoding.TextMarshaler: // net.IP, netip.Addr, UUIDs, *big.Int
		text, err := s.MarshalText()
		if err != nil {
			return b, false
		}
		return g.appendString(b, string(text))
	case fmt.Stringer: // net.IPNet
		return g.appendString(b, s.String())
	}
	if g.kind != KindText || !isBytes(v.Type()) {
		return b, false
	}
	bs = bytesOf(v)
	switch {
	case len(bs) == 16 && (v.Kind() == reflect.Array || baseSQLType(userSQLType(g.field)) == "UUID"):
		return g.appendString(b, formatUUID(hex.EncodeToString(bs)))
	case onPostgres(g.field): // Bun writes the text '\x…'
		return g.appendString(b, `\x`+hex.EncodeToString(bs))
	}
	return appendBase64Object(b, bs), true
}

func (g goValue) appendJSON(b []byte, v any) ([]byte, bool) {
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
		if g.field.IndirectType.Kind() != reflect.String && !g.valued {
			text = AppendString(nil, v)
		}
	case []byte:
		text = v
	default:
		var err error
		if text, err = bunjson.Marshal(v); err != nil {
			return b, false
		}
	}
	return AppendJSON(b, text)
}

func (g goValue) appendArray(b []byte, v reflect.Value) ([]byte, bool) {
	if !onPostgres(g.field) {
		return g.appendJSON(b, v.Interface())
	}
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return b, false
	}
	elem := goValue{field: g.field, kind: elemKind(g.field)}
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = elem.append(b, v.Index(i).Interface()); !ok {
			return b, false
		}
	}
	return append(b, ']'), true
}

func isText(v any) bool {
	_, ok := v.(encoding.TextMarshaler)
	return ok
}

func isBytes(t reflect.Type) bool {
	return (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
}

func bytesOf(v reflect.Value) []byte {
	bs := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(bs), v)
	return bs
}
