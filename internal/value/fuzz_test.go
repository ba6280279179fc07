package value_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

func fieldType[M any]() reflect.Type { return reflect.TypeFor[M]() }

func valueOf[M any](row M, f *schema.Field) any {
	return reflect.ValueOf(&row).Elem().FieldByIndex(f.Index).Interface()
}

func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{`{"a":1.50,"a":-0e5,"bb":[null,true,"\u00e9\ud83d\ude00"]}`, `1e-7`, `"\/"`, `[]`, `{}`, `-0.0`, `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, ok := value.AppendJSON(nil, text)
		if !ok {
			return
		}
		require.True(t, json.Valid(out), "%q", out)
		again, ok := value.AppendJSON(nil, out)
		require.True(t, ok)
		require.Equal(t, string(out), string(again), "canonical is canonical")
		var a, b any
		require.NoError(t, json.Unmarshal(text, &a))
		if json.Unmarshal(out, &b) == nil { // a float may be out of range in plain notation only by its size
			require.Equal(t, a, b)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "\x00", "\xff", "\u2028\x7f\x1f", `"\`, `{"base64":"YQ=="}`} {
		f.Add(s)
	}
	db := testdb.New(f, testdb.SQLite)
	field, err := db.Table(fieldType[basics]()).Field("s")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := value.Encode(value.KindText, s)
		require.NoError(t, err)
		require.True(t, json.Valid(raw))
		var got string
		require.NoError(t, value.Decode(field, raw, reflect.ValueOf(&got).Elem()))
		require.Equal(t, s, got)
	})
}

func FuzzFloat(f *testing.F) {
	for _, x := range []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), 1e23, 5e-324, math.MaxFloat64, 0.1} {
		f.Add(math.Float64bits(x))
	}
	db := testdb.New(f, testdb.SQLite)
	field, err := db.Table(fieldType[basics]()).Field("f64")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, bits uint64) {
		x := math.Float64frombits(bits)
		raw, err := value.Encode(value.KindFloat, x)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "e+")
		var got float64
		require.NoError(t, value.Decode(field, raw, reflect.ValueOf(&got).Elem()))
		if math.IsNaN(x) {
			require.True(t, math.IsNaN(got))
			return
		}
		require.Equal(t, strconv.FormatFloat(x+0, 'g', -1, 64), strconv.FormatFloat(got, 'g', -1, 64))
	})
}

// History may hold anything: no JSON may make Decode panic, whatever the field.
func FuzzDecodeNeverPanics(f *testing.F) {
	for _, s := range []string{`null`, `""`, `"a"`, `[]`, `[[]]`, `[null,"{"]`, `{}`, `{"base64":"YQ=="}`, `1e9`, `-1`, `true`, `"["`, `["\\x4"]`, `[1,2,3]`} {
		f.Add([]byte(s))
	}
	fields := db2fields(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, field := range fields {
			dest := reflect.New(field.StructField.Type).Elem()
			if err := value.Decode(field, bytes.Clone(raw), dest); err == nil && field.Scan == nil {
				assert.True(t, json.Valid(raw))
			}
		}
	})
}

func db2fields(f *testing.F) []*schema.Field {
	db := testdb.New(f, testdb.SQLite)
	var fields []*schema.Field
	for _, typ := range []reflect.Type{fieldType[basics](), fieldType[nullables](), fieldType[documents](), fieldType[dates](), fieldType[decimals](), fieldType[keys]()} {
		fields = append(fields, db.Table(typ).Fields...)
	}
	// The dialect alone gives PostgreSQL's scanners.
	return append(fields, postgresTables().Get(fieldType[arrays]()).Fields...)
}
