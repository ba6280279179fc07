package value

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, escaped as PostgreSQL's jsonb
// prints it: only quotes, backslashes and control characters.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendText appends a text. One that no JSON string of every database can
// hold, because it isn't UTF-8 or has a NUL, becomes {"base64": "…"}.
func appendText(b []byte, s string) []byte {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return AppendString(b, s)
	}
	return appendBase64Object(b, []byte(s))
}

func appendBase64(b, bs []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, bs)
	return append(b, '"')
}

func appendBase64Object(b, bs []byte) []byte {
	b = append(b, `{"base64":`...)
	b = appendBase64(b, bs)
	return append(b, '}')
}

// base64Object returns what appendBase64Object was given.
func base64Object(raw []byte) ([]byte, bool) {
	const prefix = `{"base64":"`
	// jsonb prints a space after the colon.
	raw = bytes.Replace(raw, []byte(`": "`), []byte(`":"`), 1)
	if !bytes.HasPrefix(raw, []byte(prefix)) || !bytes.HasSuffix(raw, []byte(`"}`)) {
		return nil, false
	}
	bs, err := base64.StdEncoding.DecodeString(string(raw[len(prefix) : len(raw)-2]))
	return bs, err == nil
}

// appendFloat appends the shortest decimal that is read back as the same float.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	case f == 0: // no negative zero
		return append(b, '0')
	}
	return strconv.AppendFloat(b, f, 'f', -1, bits)
}

// The limits of PostgreSQL's numeric, in digits.
const (
	maxIntegerDigits  = 131072
	maxFractionDigits = 16383
)

// appendNumber appends a number in plain notation: no exponent, no leading
// zeros, no plus, no negative zero; the zeros at the end of a fraction stay. It
// takes every notation that SQL and JSON have and reports false for what is no
// number, or has more digits than PostgreSQL's numeric.
func appendNumber(b []byte, s string) ([]byte, bool) {
	n := len(b)
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var err error
		if exp, err = strconv.Atoi(s[i+1:]); err != nil {
			return b, false
		}
		mantissa = s[:i]
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	if whole == "" && frac == "" || !isDigits(whole) || !isDigits(frac) {
		return b, false
	}
	switch {
	case exp > 0 && exp <= 2*maxIntegerDigits:
		if pad := exp - len(frac); pad > 0 {
			frac += strings.Repeat("0", pad)
		}
		whole, frac = whole+frac[:exp], frac[exp:]
	case exp < 0 && exp >= -2*maxFractionDigits:
		if pad := -exp - len(whole); pad > 0 {
			whole = strings.Repeat("0", pad) + whole
		}
		cut := len(whole) + exp
		whole, frac = whole[:cut], whole[cut:]+frac
	case exp != 0:
		return b, false
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > maxIntegerDigits || len(frac) > maxFractionDigits {
		return b, false
	}
	zero := whole == "" && strings.Trim(frac, "0") == ""
	if whole == "" {
		whole = "0"
	}
	if neg && !zero {
		b = append(b, '-')
	}
	b = append(b, whole...)
	if frac != "" {
		b = append(b, '.')
		b = append(b, frac...)
	}
	return b, len(b) > n
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// AppendJSON appends a JSON text in canonical form, which is that of
// PostgreSQL's jsonb without its spaces: the members of an object are ordered by
// the length of their names and then by their bytes, the last of two members of
// the same name wins, numbers are in plain notation. It reports false where text
// isn't JSON, or has escapes that stand for no text: \u0000 and half a surrogate
// pair.
func AppendJSON(b, text []byte) ([]byte, bool) {
	if !json.Valid(text) || !utf8.Valid(text) || hasBadEscape(text) {
		return b, false
	}
	if out, ok := appendScalar(b, text); ok {
		return out, true
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return b, false
	}
	return appendJSONValue(b, v), true
}

// appendScalar appends a valid JSON text that can be seen to be a number, a word, or a
// string without escapes, and nothing else. Most values are, and to decode one takes
// ten times as long.
func appendScalar(b, text []byte) ([]byte, bool) {
	switch first, last := text[0], text[len(text)-1]; {
	case first == '"' && last == '"' && bytes.IndexByte(text, '\\') < 0,
		last == 'e' && (first == 't' || first == 'f'), last == 'l' && first == 'n':
		return append(b, text...), true
	case (first == '-' || isDigit(first)) && isDigit(last):
		return appendJSONValue(b, json.Number(text)), true
	}
	return b, false
}

func appendJSONValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		if out, ok := appendNumber(b, v.String()); ok {
			return out
		}
		return append(b, v...) // beyond jsonb, and JSON as it is
	case string:
		return AppendString(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSONValue(b, e)
		}
		return append(b, ']')
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.SortFunc(names, compareNames)
		b = append(b, '{')
		for i, name := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendString(b, name)
			b = append(b, ':')
			b = appendJSONValue(b, v[name])
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// hasBadEscape looks for the escapes that jsonb refuses in valid JSON.
func hasBadEscape(text []byte) bool {
	for i := bytes.IndexByte(text, '\\'); i >= 0 && i+1 < len(text); {
		next := i + 2
		if text[i+1] == 'u' {
			next = i + 6
			switch r := unit(text[i:]); {
			case r == 0, r >= 0xDC00 && r < 0xE000:
				return true
			case r >= 0xD800 && r < 0xDC00:
				if low := unit(text[next:]); low < 0xDC00 || low >= 0xE000 {
					return true
				}
				next += 6
			}
		}
		n := bytes.IndexByte(text[next:], '\\')
		if n < 0 {
			return false
		}
		i = next + n
	}
	return false
}

// unit is the number in an escape \uXXXX at the start of text, or -1.
func unit(text []byte) int64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseInt(string(text[2:6]), 16, 32)
	if err != nil {
		return -1
	}
	return n
}

// compareNames orders the members of an object as jsonb does.
func compareNames(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
