package eventrow

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlaudit/bun/sink"
)

// Text is a string whose empty value is NULL in the table.
type Text string

// Value implements [driver.Valuer].
func (t Text) Value() (driver.Value, error) {
	if t == "" {
		return nil, nil
	}
	return string(t), nil
}

// Scan implements sql.Scanner.
func (t *Text) Scan(src any) error {
	s, _, err := scanText(src)
	*t = Text(s)
	return err
}

// JSON is a JSON text without insignificant white space, or nil for NULL.
//
// It goes to Bun as a string: Bun's own appender for JSON would turn the escape
// \u0000 into another value instead of letting the database refuse it.
type JSON []byte

// Value implements [driver.Valuer].
func (j JSON) Value() (driver.Value, error) {
	if j == nil {
		return nil, nil
	}
	return string(j), nil
}

// Scan implements sql.Scanner. It removes the white space that PostgreSQL adds.
func (j *JSON) Scan(src any) error {
	*j = nil
	s, ok, err := scanText(src)
	if err != nil || !ok {
		return err
	}
	var buf bytes.Buffer
	buf.Grow(len(s))
	if err := json.Compact(&buf, []byte(s)); err != nil {
		return fmt.Errorf("eventrow: read JSON: %w", err)
	}
	*j = buf.Bytes()
	return nil
}

// jsonb is a JSON that is read from a column of PostgreSQL's type jsonb or json. That
// is JSON whatever was written, so it isn't parsed to find the spaces, which would take
// longer than all the rest of reading a row. The memory is used again by the next
// Scan.
type jsonb JSON

// Scan implements sql.Scanner.
func (j *jsonb) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*j = nil
	case []byte:
		*j = appendDense((*j)[:0], v)
	case string:
		*j = appendDense((*j)[:0], []byte(v))
	default:
		return fmt.Errorf("eventrow: read JSON: the driver returned %T", src)
	}
	return nil
}

// appendDense appends JSON without the white space between its tokens.
func appendDense(b, doc []byte) []byte {
	b = slices.Grow(b, len(doc))
	for len(doc) > 0 {
		n := 0
		for n < len(doc) && doc[n] > ' ' && doc[n] != '"' {
			n++
		}
		b = append(b, doc[:n]...)
		doc = doc[n:]
		switch {
		case len(doc) == 0:
		case doc[0] <= ' ':
			doc = doc[1:]
		default:
			n = endOfString(doc)
			b = append(b, doc[:n]...)
			doc = doc[n:]
		}
	}
	return b
}

// endOfString returns the length of the JSON string that doc starts with.
func endOfString(doc []byte) int {
	for i := 1; i < len(doc); i++ {
		n := bytes.IndexByte(doc[i:], '"')
		if n < 0 {
			break
		}
		escapes := 0
		for doc[i+n-1-escapes] == '\\' {
			escapes++
		}
		if i += n; escapes%2 == 0 {
			return i + 1
		}
	}
	return len(doc)
}

// flag is the column soft, in which SQLite keeps whatever is written to it.
type flag bool

// Scan implements sql.Scanner.
func (f *flag) Scan(src any) error {
	v, err := driver.Bool.ConvertValue(src)
	if err != nil { // it has the value in it
		return errors.New("eventrow: read soft: it is neither true nor false")
	}
	*f = flag(v.(bool))
	return nil
}

// timeLayout has a fixed width, so that the order of the text, which is all
// that SQLite has, is the order of the times.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// Time is a time in UTC with microseconds, in the one form that the tables of
// every dialect order by. Queries that compare the time column use it for their
// arguments too.
type Time struct{ t time.Time }

// NewTime returns t as it is stored: cut to microseconds, in UTC.
func NewTime(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// Time returns the time in UTC.
func (t Time) Time() time.Time { return t.t }

// Value implements [driver.Valuer].
func (t Time) Value() (driver.Value, error) { return t.t.UTC().Format(timeLayout), nil }

// Scan implements sql.Scanner.
func (t *Time) Scan(src any) error {
	if v, ok := src.(time.Time); ok {
		*t = NewTime(v)
		return nil
	}
	s, _, err := scanText(src)
	if err != nil {
		return err
	}
	// To the one form that package time reads fast: each event is read by this.
	b := append(make([]byte, 0, 40), s...)
	if len(b) > len("2006-01-02 15:04:05") && b[10] == ' ' {
		b[10] = 'T'
		if sign := b[len(b)-len("+00")]; sign == '+' || sign == '-' {
			b = append(b, ":00"...)
		}
	}
	v, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil { // which has the text in it
		return fmt.Errorf("eventrow: read time: unknown form of %d bytes", len(s))
	}
	*t = NewTime(v)
	return nil
}

// scanText returns what the driver gave as a string, and false for NULL.
func scanText(src any) (string, bool, error) {
	switch v := src.(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	case []byte:
		return string(v), true, nil
	default:
		return "", false, fmt.Errorf("eventrow: read text: the driver returned %T", src)
	}
}

// Canonical returns the one text that stands for the key v: its columns sorted,
// no white space, nothing escaped that needn't be. Where keys are text (SQLite)
// they are looked up by it. It is nil for an empty v.
func Canonical(v sink.Values) (JSON, error) { return encodeMap(v) }

// encodeMap relies on encoding/json for the order: it sorts the keys of maps.
func encodeMap[V any](m map[string]V) (JSON, error) {
	if len(m) == 0 {
		return nil, nil
	}
	return encode(m)
}

// Member returns the name of a member in the form that it has in the JSON of a
// row, with its quotes.
func Member(name string) string {
	b, _ := encode(name) // a string can be encoded
	return string(b)
}

func encode(v any) (JSON, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	b := buf.Bytes()
	return JSON(b[:len(b)-1]), nil // without the encoder's line feed
}

// Clean replaces what PostgreSQL can't hold in text, NUL and invalid UTF-8. Bun
// would drop the former without a trace, or in newer versions refuse it.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

// cleanMap copies m only where it must.
func cleanMap(m map[string]string) map[string]string {
	dirty := false
	for k, v := range m {
		if Clean(k) != k || Clean(v) != v {
			dirty = true
			break
		}
	}
	if !dirty {
		return m
	}
	cleaned := make(map[string]string, len(m))
	for k, v := range m {
		cleaned[Clean(k)] = Clean(v)
	}
	return cleaned
}
