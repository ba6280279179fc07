package value_test

import (
	"database/sql"
	"encoding/json"
	"math"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
)

type basics struct {
	bun.BaseModel `bun:"table:basics"`

	ID   int64 `bun:",pk"`
	I    int
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	U    uint
	U8   uint8
	U16  uint16
	U32  uint32
	U64  uint64
	F32  float32
	F64  float64
	B    bool
	S    string
	By   []byte
	D    time.Duration
	T    time.Time
	St   status
	Lv   level      `bun:"type:varchar(10)"`
	Tg   tag        `bun:"type:text"`
	Uu   id16       `bun:"type:uuid"`
	UuS  string     `bun:"type:uuid"`
	IP   net.IP     `bun:"ip,type:inet"`
	Addr netip.Addr `bun:"type:inet"`
	Def  string     `bun:",default:'x'"`
	NZ   string     `bun:",nullzero"`
}

func TestBasicTypesHaveTheSameJSONOnEveryDatabase(t *testing.T) {
	zone := time.FixedZone("x", 2*3600)
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		got := roundTrip(t, db,
			basics{
				ID: 1, I: -7, I8: math.MinInt8, I16: math.MaxInt16, I32: math.MinInt32, I64: math.MinInt64, U: 7, U8: 255, U16: 32767,
				U32: math.MaxInt32, U64: math.MaxInt64, F32: 0.1, F64: 1e21, B: true, S: `<a> & "b" \ ' é` + " \t\n\u2028",
				By: []byte("\x00\xff"), D: time.Second, T: time.Date(2026, 1, 2, 5, 4, 5, 123456789, zone), St: "open", Lv: 1,
				Tg: tag{"t"}, Uu: id16{0xab, 15: 1}, UuS: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", IP: net.IPv4(10, 0, 0, 1),
				Addr: netip.MustParseAddr("::1"), NZ: "z",
			},
			basics{
				ID: 2, F32: float32(math.Inf(1)), F64: math.NaN(), T: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), By: []byte{}, Tg: tag{"x"},
				UuS: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", IP: net.ParseIP("fe80::1"), Addr: netip.MustParseAddr("10.1.2.3"), Def: "given",
			},
			basics{
				ID: 3, F32: -1.5e-7, F64: math.Copysign(0, -1), T: time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), Tg: tag{"x"},
				UuS: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", IP: net.ParseIP("fe80::1"), Addr: netip.MustParseAddr("10.1.2.3"), Def: "given",
			},
		)
		assert.Equal(t, map[string]string{
			"id": "1", "i": "-7", "i8": "-128", "i16": "32767", "i32": "-2147483648", "i64": "-9223372036854775808", "u": "7", "u8": "255",
			"u16": "32767", "u32": "2147483647", "u64": "9223372036854775807", "f32": "0.1", "f64": "1000000000000000000000", "b": "true",
			"s": `"<a> & \"b\" \\ ' é \t\n` + "\u2028" + `"`, "by": `"AP8="`, "d": "1000000000", "t": `"2026-01-02T03:04:05.123456Z"`,
			"st": `"open"`, "lv": `"high"`, "tg": `"t"`, "uu": `"ab000000-0000-0000-0000-000000000001"`,
			"uus": `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`, "ip": `"10.0.0.1"`, "addr": `"::1"`, "def": `"x"`, "nz": `"z"`,
		}, fixDefault(got[0]))
		assert.Equal(t, `"Infinity"`, got[1]["f32"])
		assert.Equal(t, `"NaN"`, got[1]["f64"])
		assert.Equal(t, `"0001-01-01T00:00:00.000000Z"`, got[1]["t"])
		assert.Equal(t, `""`, got[1]["by"])
		assert.Equal(t, `null`, got[1]["nz"])
		assert.Equal(t, `-0.00000015`, got[2]["f32"])
		assert.Equal(t, `0`, got[2]["f64"])
		assert.Equal(t, `null`, got[2]["by"])
		assert.Equal(t, `"9999-12-31T23:59:59.999999Z"`, got[2]["t"])
	})
}

// fixDefault hides that Bun can't use a column's default on SQLite.
func fixDefault(columns map[string]string) map[string]string {
	if columns["def"] == "null" {
		columns["def"] = `"x"`
	}
	return columns
}

type nullables struct {
	bun.BaseModel `bun:"table:nullables"`

	ID  int64 `bun:",pk"`
	I   *int64
	S   *string
	B   *bool
	F   *float64
	T   *time.Time
	J   *point
	By  *[]byte
	Lv  *level `bun:"type:varchar(10)"`
	SI  sql.NullInt64
	SF  sql.NullFloat64
	SB  sql.NullBool
	SS  sql.NullString
	ST  sql.NullTime
	BT  bun.NullTime
	Ti  time.Time `bun:",nullzero"`
	Any any       `bun:"type:text"`
}

func TestNullableTypesHaveTheSameJSONOnEveryDatabase(t *testing.T) {
	i, s, b, f, at, lv, by := int64(5), "s", false, 1.25, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), level(0), []byte("x")
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		got := roundTrip(t, db, nullables{ID: 1}, nullables{
			ID: 2, I: &i, S: &s, B: &b, F: &f, T: &at, J: &point{X: 1, S: "<"}, By: &by, Lv: &lv,
			SI: sql.NullInt64{Int64: 1, Valid: true}, SF: sql.NullFloat64{Float64: 0.5, Valid: true}, SB: sql.NullBool{Bool: true, Valid: true},
			SS: sql.NullString{Valid: true}, ST: sql.NullTime{Time: at, Valid: true}, BT: bun.NullTime{Time: at}, Ti: at, Any: "any",
		})
		for column, raw := range got[0] {
			if column != "id" {
				assert.Equal(t, "null", raw, column)
			}
		}
		assert.Equal(t, map[string]string{
			"id": "2", "i": "5", "s": `"s"`, "b": "false", "f": "1.25", "t": `"2026-01-02T03:04:05.000000Z"`,
			"j": `{"x":1,"string":"<"}`, "by": `"eA=="`, "lv": `"low"`, "si": "1", "sf": "0.5", "sb": "true", "ss": `""`,
			"st": `"2026-01-02T03:04:05.000000Z"`, "bt": `"2026-01-02T03:04:05.000000Z"`, "ti": `"2026-01-02T03:04:05.000000Z"`, "any": `"any"`,
		}, got[1])
	})
}

type documents struct {
	bun.BaseModel `bun:"table:documents"`

	ID    int64 `bun:",pk"`
	P     point
	M     map[string]any
	L     []point
	R     json.RawMessage
	JB    map[string]int `bun:"type:jsonb"`
	J     point          `bun:"type:json"`
	Any   any            `bun:"type:jsonb"`
	Num   map[string]any `bun:"type:jsonb,json_use_number"`
	Strs  []string
	Times []time.Time `bun:"type:json"`
}

func TestJSONHasTheSameFormOnEveryDatabase(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		got := roundTrip(t, db, documents{
			ID: 1, P: point{X: -1, Y: 1e21, S: "a\x00b"}, M: map[string]any{"bb": 1.5, "a": nil, "c": []any{true, "x"}}, L: []point{{X: 1}},
			R: json.RawMessage(`{ "z": 1.50, "y": 1e3, "y": 2E-3, "x": -0.0, "é": "\u00e9\u2028\/" }`), JB: map[string]int{"a": 1},
			J: point{S: `\`}, Any: []any{"q", float64(1)}, Num: map[string]any{"n": json.Number("12345678901234567890.10")},
			Strs: []string{"a", ""}, Times: []time.Time{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		}, documents{ID: 2})
		assert.Equal(t, map[string]string{
			"id": "1", "p": `{"x":-1,"y":1000000000000000000000,"string":"a\\u0000b"}`, "m": `{"a":null,"c":[true,"x"],"bb":1.5}`,
			"l": `[{"x":1,"string":""}]`, "r": `{"x":0.0,"y":0.002,"z":1.50,"é":"é` + "\u2028" + `/"}`, "jb": `{"a":1}`,
			"j": `{"x":0,"string":"\\"}`, "any": `["q",1]`, "num": `{"n":12345678901234567890.10}`, "strs": `["a",""]`,
			"times": `["2026-01-02T03:04:05Z"]`,
		}, got[0])
	})
}

type dates struct {
	bun.BaseModel `bun:"table:dates"`

	ID int64     `bun:",pk"`
	TS time.Time `bun:"type:timestamp"`
	TZ time.Time `bun:"type:timestamptz(6)"`
	D  time.Time `bun:"type:date"`
	Tx string    `bun:"type:timestamptz"`
}

func TestTimesHaveTheSameFormOnEveryDatabase(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		got := roundTrip(t, db, dates{ID: 1, TS: day.Add(time.Millisecond), TZ: day, D: day, Tx: "2026-01-02T03:04:05.123456Z"})
		assert.Equal(t, map[string]string{
			"id": "1", "ts": `"2026-01-02T00:00:00.001000"`, "tz": `"2026-01-02T00:00:00.000000Z"`, "d": `"2026-01-02"`,
			"tx": `"2026-01-02T03:04:05.123456Z"`,
		}, got[0])
	})
}

type decimals struct {
	bun.BaseModel `bun:"table:decimals"`

	ID  int64   `bun:",pk"`
	S   string  `bun:"type:numeric(30,2)"`
	D   dec     `bun:"type:numeric"`
	F   float64 `bun:"type:numeric"`
	I   int64   `bun:"type:numeric"`
	Txt dec     `bun:"type:text"`
}

func TestDecimalsAreNumbers(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		got := roundTrip(t, db, decimals{ID: 1, S: "12.50", D: dec{"-0.25"}, F: 1.5, I: 3, Txt: dec{"1.10"}})
		want := map[string]string{"id": "1", "s": "12.50", "d": "-0.25", "f": "1.5", "i": "3", "txt": `"1.10"`}
		if db.Backend == testdb.SQLite {
			want["s"] = "12.5" // SQLite keeps a float
		}
		assert.Equal(t, want, got[0])
	})
}
