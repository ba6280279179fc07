package value

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Encode returns the canonical JSON of what database/sql delivered for a
// column that was selected without a declared type: on SQLite SELECT +"c", so
// that the driver has not converted it. It takes nil, int64, float64, string,
// []byte, bool and time.Time; the error is for any other type.
//
// SQLite stores any value in any column. A value that is not of the column's
// kind keeps the form of what it is: a text in an integer column is a string,
// a blob in a column that is not binary is {"base64": "…"}.
func Encode(k Kind, v any) (json.RawMessage, error) {
	return Append(nil, k, v)
}

// Append appends what [Encode] returns.
func Append(b []byte, k Kind, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64:
		if k == KindBool && (v == 0 || v == 1) {
			return strconv.AppendBool(b, v == 1), nil
		}
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v, 64), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case time.Time:
		return appendTime(b, k, v), nil
	case string:
		return appendStoredText(b, k, v), nil
	case []byte:
		return appendStoredBlob(b, k, v), nil
	}
	return nil, fmt.Errorf("value: encode column: unexpected type %T from the driver", v)
}

func appendStoredText(b []byte, k Kind, s string) []byte {
	switch k {
	case KindNumeric, KindInt, KindFloat:
		if out, ok := appendNumber(b, s); ok {
			return out
		}
	case KindTimestampTZ, KindTimestamp, KindDate:
		if t, ok := parseTime(s); ok {
			return appendTime(b, k, t)
		}
	case KindBytes:
		return appendBase64(b, []byte(s))
	case KindJSON, KindArray, KindHstore:
		if out, ok := AppendJSON(b, []byte(s)); ok {
			return out
		}
	}
	return appendText(b, s)
}

func appendStoredBlob(b []byte, k Kind, bs []byte) []byte {
	switch k {
	case KindBytes:
		return appendBase64(b, bs)
	case KindJSON, KindArray, KindHstore:
		if out, ok := AppendJSON(b, bs); ok {
			return out
		}
	}
	return appendBase64Object(b, bs)
}
