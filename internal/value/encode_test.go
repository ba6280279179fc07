package value_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

func TestEncodeKeepsWhatSQLiteHoldsInTheWrongColumn(t *testing.T) {
	for name, tt := range map[string]struct {
		kind value.Kind
		v    any
		want string
	}{
		"null":                                      {value.KindInt, nil, `null`},
		"text in an integer column":                 {value.KindInt, "abc", `"abc"`},
		"number as text in a numeric column":        {value.KindNumeric, "012.50", `12.50`},
		"number with an exponent":                   {value.KindNumeric, "-1.5e-3", `-0.0015`},
		"integer that SQLite made a float":          {value.KindNumeric, 1.8446744073709552e19, `18446744073709552000`},
		"bool as integer":                           {value.KindBool, int64(1), `true`},
		"integer in a bool column":                  {value.KindBool, int64(2), `2`},
		"bool from a driver":                        {value.KindBool, false, `false`},
		"infinity":                                  {value.KindFloat, math.Inf(-1), `"-Infinity"`},
		"infinity as text":                          {value.KindFloat, "Infinity", `"Infinity"`},
		"negative zero":                             {value.KindFloat, math.Copysign(0, -1), `0`},
		"text":                                      {value.KindText, "a<b", `"a<b"`},
		"text with NUL":                             {value.KindText, "a\x00", `{"base64":"YQA="}`},
		"text that is not UTF-8":                    {value.KindText, "\xff", `{"base64":"/w=="}`},
		"blob in a text column":                     {value.KindText, []byte("a"), `{"base64":"YQ=="}`},
		"integer in a text column":                  {value.KindText, int64(1), `1`},
		"blob":                                      {value.KindBytes, []byte{0, 255}, `"AP8="`},
		"text in a blob column":                     {value.KindBytes, "a", `"YQ=="`},
		"JSON with spaces":                          {value.KindJSON, ` { "b" : 1e2, "aa":[ ] , "a":1}`, `{"a":1,"b":100,"aa":[]}`},
		"JSON as blob":                              {value.KindJSON, []byte(`[1]`), `[1]`},
		"text that is not JSON":                     {value.KindJSON, `{a`, `"{a"`},
		"JSON with half a surrogate pair":           {value.KindJSON, `"\ud800x"`, `"\"\\ud800x\""`},
		"JSON with an escaped NUL":                  {value.KindJSON, `["\u0000"]`, `"[\"\\u0000\"]"`},
		"JSON with a backslash before u0000":        {value.KindJSON, `["\\u0000"]`, `["\\u0000"]`},
		"JSON with a surrogate pair":                {value.KindJSON, `"\ud83d\ude00"`, `"😀"`},
		"JSON with a number beyond numeric":         {value.KindJSON, `1e999999999`, `1e999999999`},
		"Bun's time":                                {value.KindTimestampTZ, "2026-01-02 03:04:05.12+00:00", `"2026-01-02T03:04:05.120000Z"`},
		"time with another zone":                    {value.KindTimestampTZ, "2026-01-02T03:04:05+02:00", `"2026-01-02T01:04:05.000000Z"`},
		"CURRENT_TIMESTAMP":                         {value.KindTimestampTZ, "2026-01-02 03:04:05", `"2026-01-02T03:04:05.000000Z"`},
		"time with nanoseconds":                     {value.KindTimestampTZ, "2026-01-02 03:04:05.123456789", `"2026-01-02T03:04:05.123456789Z"`},
		"time.String":                               {value.KindTimestampTZ, "2026-01-02 03:04:05.5 +0000 UTC m=+0.1", `"2026-01-02T03:04:05.500000Z"`},
		"time from a driver":                        {value.KindTimestamp, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), `"2026-01-02T03:04:05.000000"`},
		"time as seconds":                           {value.KindTimestampTZ, int64(1767322800), `1767322800`},
		"text that is not a time":                   {value.KindTimestampTZ, "tomorrow", `"tomorrow"`},
		"date":                                      {value.KindDate, "2026-01-02 00:00:00+00:00", `"2026-01-02"`},
		"date with a time of day, which SQLite has": {value.KindDate, "2026-01-02 03:00:00+00:00", `"2026-01-02T03:00:00.000000Z"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := value.Encode(tt.kind, tt.v)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
			assert.True(t, json.Valid(got))
		})
	}
	_, err := value.Encode(value.KindText, struct{ secret string }{"4711"})
	require.ErrorContains(t, err, "unexpected type")
	assert.NotContains(t, err.Error(), "4711")
}

type odd struct {
	bun.BaseModel `bun:"table:odd"`

	ID int64 `bun:",pk"`
	S  string
	T  time.Time
	A  [4]byte
	PA *[4]byte
	D  time.Time `bun:"type:date"`
	N  int64
	B  []byte `bun:"type:text"`
}

func TestOddValuesOfSQLiteComeBack(t *testing.T) {
	db := testdb.New(t, testdb.SQLite)
	create[odd](t, db)
	exec(t, db, `INSERT INTO odd (id, s, t, a, pa, d, n, b) VALUES (1, CAST(X'6100ff' AS TEXT), 1767322800, X'01020304', X'01020304', '2026-01-02 03:00:00+00:00', 5, X'ff')`)
	table := db.Table(reflect.TypeFor[odd]())
	columns := canonicalRows(t, db, table)[0]
	var got odd
	for _, f := range table.Fields {
		dest := reflect.ValueOf(&got).Elem().FieldByIndex(f.Index)
		require.NoError(t, value.Decode(f, json.RawMessage(columns[f.Name]), dest), "%s: %s", f.Name, columns[f.Name])
	}
	assert.Equal(t, odd{
		ID: 1, S: "a\x00\xff", T: time.Unix(1767322800, 0).UTC(), A: [4]byte{1, 2, 3, 4}, PA: &[4]byte{1, 2, 3, 4},
		D: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC), N: 5, B: []byte{255},
	}, got)
}

func TestDecodeRefusesWhatDoesNotFitAndDoesNotShowIt(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		for _, c := range [][2]string{
			{"i", `"secret"`}, {"b", `"secret"`}, {"t", `"secret"`}, {"i64", `123456789012345678901`}, {"i64", `9223372036854776000`},
			{"ip", `"secret"`}, {"uu", `{"secret":1}`}, {"f64", `[4711]`}, {"u", `-`}, {"s", ``},
		} {
			column, raw := c[0], c[1]
			f := field[basics](t, db, column)
			err := value.Decode(f, json.RawMessage(raw), reflect.New(f.StructField.Type).Elem())
			require.Error(t, err, "%s: %s", column, raw)
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, err.Error(), "4711")
		}
	})
}
