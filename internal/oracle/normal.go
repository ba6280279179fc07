package oracle

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// This is a second reading of the rules for values, made for the comparison
// alone. Its normal form is JSON as Go writes it, with the members of objects in
// the order of their names.

const null = "null"

func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprintf("can't encode %v: %v", v, err)
	}
	return strings.TrimSpace(b.String())
}

func decode(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// normalEvent is the normal form of a value in an event. Its numbers stay as
// they are: the rules leave one notation.
func normalEvent(raw json.RawMessage) string {
	v, err := decode(string(raw))
	if err != nil {
		return "no JSON: " + string(raw)
	}
	return encode(v)
}

// normalPG is the normal form of what to_jsonb makes of a column.
func normalPG(k kind, v any) string {
	switch x := v.(type) {
	case nil:
		return null
	case json.Number:
		switch k {
		case kindFloat:
			return number(x.String(), 64)
		case kindReal:
			return number(x.String(), 32)
		}
		return encode(x)
	case string:
		switch k {
		case kindTime:
			if t, err := time.Parse(time.RFC3339Nano, x); err == nil {
				return instant(t)
			}
		case kindBytes:
			if b, err := hex.DecodeString(strings.TrimPrefix(x, `\x`)); err == nil {
				return encode(base64.StdEncoding.EncodeToString(b))
			}
		}
	}
	return encode(v)
}

// normalSQLite is the normal form of a value that quote() has made a literal.
func normalSQLite(k kind, literal string) string {
	switch {
	case literal == "NULL":
		return null
	case strings.HasPrefix(literal, "X'"):
		b, err := hex.DecodeString(strings.Trim(literal[1:], "'"))
		if err != nil {
			return "no literal: " + literal
		}
		return blob(k, b)
	case strings.HasPrefix(literal, "'"):
		return sqliteText(k, strings.ReplaceAll(literal[1:len(literal)-1], "''", "'"))
	case k == kindBool && literal == "1":
		return "true"
	case k == kindBool && literal == "0":
		return "false"
	}
	return number(literal, 64)
}

func blob(k kind, b []byte) string {
	b64 := base64.StdEncoding.EncodeToString(b)
	if k == kindBytes {
		return encode(b64)
	}
	if k == kindJSON {
		if v, err := decode(string(b)); err == nil {
			return encode(plainNumbers(v))
		}
	}
	return encode(map[string]string{"base64": b64})
}

func sqliteText(k kind, s string) string {
	switch k {
	case kindTime:
		for _, layout := range []string{"2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05"} {
			if t, err := time.Parse(layout, s); err == nil {
				return instant(t)
			}
		}
	case kindBytes:
		return encode(base64.StdEncoding.EncodeToString([]byte(s)))
	case kindJSON:
		if v, err := decode(s); err == nil {
			return encode(plainNumbers(v))
		}
	case kindNumeric, kindFloat, kindReal, kindInt:
		if s == "NaN" || s == "Infinity" || s == "-Infinity" {
			return encode(s)
		}
	}
	if !utf8.ValidString(s) {
		return encode(map[string]string{"base64": base64.StdEncoding.EncodeToString([]byte(s))})
	}
	return encode(s)
}

// normalMariaDB is the normal form of a value as the server prints it.
func normalMariaDB(k kind, printed string) string {
	switch k {
	case kindInt, kindNumeric:
		return printed
	case kindFloat:
		return number(printed, 64)
	case kindReal:
		return number(printed, 32)
	case kindBool:
		if printed == "0" || printed == "1" {
			return encode(printed == "1")
		}
		return printed
	}
	return sqliteText(k, printed)
}

func instant(t time.Time) string { return encode(t.UTC().Format("2006-01-02T15:04:05.000000Z")) }

// number is a number that a machine holds as an integer or a float, without
// exponent.
func number(s string, bits int) string {
	if !strings.ContainsAny(s, ".eE") && bits == 64 {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	}
	f, err := strconv.ParseFloat(s, bits)
	switch {
	case math.IsInf(f, 1):
		return `"Infinity"`
	case math.IsInf(f, -1):
		return `"-Infinity"`
	case err != nil:
		return "no number: " + s
	case f == 0:
		return "0"
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}

// plainNumbers takes the exponents out of the numbers of a JSON value, digit by
// digit.
func plainNumbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		return json.Number(plain(x.String()))
	case []any:
		for i := range x {
			x[i] = plainNumbers(x[i])
		}
	case map[string]any:
		for name := range x {
			x[name] = plainNumbers(x[name])
		}
	}
	return v
}

func plain(s string) string {
	digits, exp, _ := strings.Cut(strings.ToLower(s), "e")
	shift, _ := strconv.Atoi(exp)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	whole, frac, _ := strings.Cut(digits, ".")
	for ; shift > 0; shift-- {
		if frac == "" {
			frac = "0"
		}
		whole, frac = whole+frac[:1], frac[1:]
	}
	for ; shift < 0; shift++ {
		if whole == "" {
			whole = "0"
		}
		whole, frac = whole[:len(whole)-1], whole[len(whole)-1:]+frac
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if strings.Trim(whole+frac, "0") == "" {
		sign = ""
	}
	if frac != "" {
		whole += "." + frac
	}
	return sign + whole
}

// hashed is what stands for a value of a hashed column, all of which are texts
// without characters that JSON can write in two ways.
func hashed(normal string) string {
	if normal == null {
		return null
	}
	mac := hmac.New(sha256.New, []byte(hashKey))
	mac.Write([]byte(normal))
	return `"hmac-sha256:` + hex.EncodeToString(mac.Sum(nil)) + `"`
}
