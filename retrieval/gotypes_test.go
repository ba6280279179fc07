package retrieval_test

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	googleuuid "github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

// Status is an enum by its text.
type Status string

// Level is an enum that is stored by its name.
type Level int

var levels = []string{"low", "high"}

func (l Level) Value() (driver.Value, error) { return levels[l], nil }

func (l *Level) Scan(src any) error {
	for i, name := range levels {
		if name == textOf(src) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("level: got %v", src)
}

// Decimal is one by its text, as packages for decimals have it.
type Decimal struct{ text string }

func (d Decimal) Value() (driver.Value, error) {
	if d.text == "" {
		return "0", nil
	}
	return d.text, nil
}

func (d *Decimal) Scan(src any) error {
	d.text = textOf(src)
	return nil
}

// Big is a number of any size, and can be NULL.
type Big struct{ *big.Int }

func (b Big) Value() (driver.Value, error) {
	if b.Int == nil {
		return nil, nil
	}
	return b.String(), nil
}

func (b *Big) Scan(src any) error {
	if src == nil {
		b.Int = nil
		return nil
	}
	f, _, err := big.ParseFloat(textOf(src), 10, 300, big.ToNearestEven) // SQLite may have made a float of it
	if err == nil {
		b.Int, _ = f.Int(nil)
	}
	return err
}

func textOf(src any) string {
	if b, ok := src.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(src)
}

type Point struct {
	X int     `json:"x"`
	Y float64 `json:"y,omitempty"`
	S string  `json:"string"`
}

type Numbers struct {
	bun.BaseModel `bun:"table:numbers,audit"`

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
	Dur  time.Duration
	PI   *int64
	PU   *uint8
	PF   *float64
	PB   *bool
	PDur *time.Duration
	NI   sql.NullInt64
	NI32 sql.NullInt32 `bun:"type:integer"`
	NI16 sql.NullInt16 `bun:"type:smallint"`
	NBy  sql.NullByte  `bun:"type:smallint"`
	NF   sql.NullFloat64
	NB   sql.NullBool
	NT   sql.Null[int64] `bun:"type:bigint"`
	NZ   int64           `bun:",nullzero"`
	Dec  Decimal         `bun:"type:numeric(30,10)"`
	DecS string          `bun:"type:numeric(30,10)"`
	PDec *Decimal        `bun:"type:numeric(30,10)"`
	Big  Big             `bun:"type:numeric(60,0)"`
}

type Texts struct {
	bun.BaseModel `bun:"table:texts,audit"`

	ID     int64 `bun:",pk"`
	S      string
	Text   string `bun:"type:text"`
	NZ     string `bun:",nullzero"`
	PS     *string
	NS     sql.NullString
	NT     sql.Null[string] `bun:"type:text"`
	St     Status
	PSt    *Status
	Lv     Level  `bun:"type:varchar(10)"`
	PLv    *Level `bun:"type:varchar(10)"`
	By     []byte
	PBy    *[]byte
	UU     googleuuid.UUID     `bun:"type:uuid"`
	PUU    *googleuuid.UUID    `bun:"type:uuid"`
	NUU    googleuuid.NullUUID `bun:"type:uuid"`
	UUS    string              `bun:"type:uuid"`
	IP     net.IP              `bun:"ip,type:inet"`
	Addr   netip.Addr          `bun:"type:inet"`
	Net    net.IPNet           `bun:"net,type:cidr"`
	Prefix netip.Prefix        `bun:"type:cidr"`
	TOD    string              `bun:"tod,type:time"`
}

type Documents struct {
	bun.BaseModel `bun:"table:documents,audit"`

	ID   int64           `bun:",pk"`
	Raw  json.RawMessage `bun:"type:jsonb"`
	JS   json.RawMessage `bun:"type:json"`
	P    Point
	PP   *Point
	M    map[string]any
	MI   map[string]int `bun:"type:jsonb"`
	L    []Point
	Any  any            `bun:"type:jsonb"`
	Num  map[string]any `bun:"type:jsonb,json_use_number"`
	Strs []string       `bun:",array"`
	Ints []int64        `bun:",array"`
	Home Address        `bun:"embed:home_"`
}

type Address struct {
	City string
	Zip  *string
}

type Times struct {
	bun.BaseModel `bun:"table:times,audit"`

	ID int64 `bun:",pk"`
	T  time.Time
	TS time.Time `bun:"type:timestamp"`
	TZ time.Time `bun:"type:timestamptz"`
	D  time.Time `bun:"type:date"`
	P  *time.Time
	PD *time.Time `bun:"type:date"`
	NZ time.Time  `bun:",nullzero"`
	B  bun.NullTime
}

// OnPostgres is what no other database has, or Bun can't read there without more
// ado.
type OnPostgres struct {
	bun.BaseModel `bun:"table:on_postgres,audit"`

	ID     int64             `bun:",pk"`
	Strs   []string          `bun:",array"`
	NStrs  []string          `bun:",array,nullzero"`
	PStrs  *[]string         `bun:",array"`
	Ints   []int64           `bun:",array"`
	Flts   []float64         `bun:",array"`
	Bools  []bool            `bun:",array"`
	Times  []time.Time       `bun:",array"`
	Bytes  [][]byte          `bun:",array"`
	UUIDs  []googleuuid.UUID `bun:"type:uuid[]"`
	Sts    []Status          `bun:"type:text[]"`
	Two    [2]int32          `bun:"type:integer[]"`
	Iv     string            `bun:"type:interval"`
	Dec    float64           `bun:"type:numeric(30,10)"`
	NTime  sql.NullTime
	GTime  sql.Null[time.Time] `bun:"type:timestamptz"`
	Pack   Point               `bun:"type:bytea,msgpack"`
	Range  string              `bun:"type:int4range"`
	Money  string              `bun:"type:numeric(12,2)"`
	Any    any                 `bun:"type:jsonb"`
	Chars  string              `bun:"type:char(4)"`
	Big    uint64              `bun:"type:numeric"`
	F32    float32             `bun:"type:real"`
	Mac    string              `bun:"type:macaddr"`
	Bits   string              `bun:"type:bit(3)"`
	XML    string              `bun:"xml,type:xml"`
	Vector string              `bun:"type:tsvector"`
}

// What the hook has recorded comes back as a SELECT gives it, and can be put back.
func TestEveryGoTypeComesBack(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		t.Run("numbers", func(t *testing.T) { comesBack(t, db, numbers(db)) })
		t.Run("texts", func(t *testing.T) { comesBack(t, db, texts()) })
		t.Run("documents", func(t *testing.T) { comesBack(t, db, documents()) })
		t.Run("times", func(t *testing.T) { comesBack(t, db, times(db)) })
		if db.Backend == testdb.Postgres {
			t.Run("PostgreSQL's", func(t *testing.T) { comesBack(t, db, onPostgres()) })
		}
	})
}

func numbers(db *testdb.DB) []Numbers {
	i, u, f, b, dur := int64(math.MinInt64), uint8(255), math.MaxFloat64, false, -time.Nanosecond
	rows := []Numbers{
		{
			I: -7, I8: 1, I16: 2, I32: 3, I64: 4, U: 5, U8: 6, U16: 7, U32: 8, U64: 9, F32: 0.1, F64: 0.1, B: true, Dur: 90 * time.Minute,
			NI: sql.NullInt64{Int64: 1, Valid: true}, NF: sql.NullFloat64{Float64: 0.5, Valid: true}, NB: sql.NullBool{Valid: true},
			NZ: 1, Dec: Decimal{"12.5"}, DecS: "12.50", PDec: &Decimal{"-1"}, Big: Big{big.NewInt(0)},
		},
		{DecS: "0"}, // zero and NULL
		{
			I: math.MaxInt64, I8: math.MinInt8, I16: math.MinInt16, I32: math.MinInt32, I64: math.MinInt64, U: math.MaxInt64, U8: math.MaxUint8,
			U16: math.MaxInt16, U32: math.MaxInt32, U64: math.MaxInt64, F32: math.MaxFloat32, F64: math.SmallestNonzeroFloat64,
			Dur: math.MaxInt64, PI: &i, PU: &u, PF: &f, PB: &b, PDur: &dur, NI: sql.NullInt64{Int64: math.MaxInt64, Valid: true},
			NI32: sql.NullInt32{Int32: math.MinInt32, Valid: true}, NI16: sql.NullInt16{Valid: true}, NBy: sql.NullByte{Byte: 255, Valid: true},
			NF: sql.NullFloat64{Float64: -1e300, Valid: true}, NB: sql.NullBool{Bool: true, Valid: true}, NT: sql.Null[int64]{V: -1, Valid: true},
			Dec: Decimal{"12345678901234567890.0123456789"}, DecS: "-99999999999999999999.9999999999",
			Big: Big{new(big.Int).Exp(big.NewInt(10), big.NewInt(59), nil)},
		},
		{F32: float32(math.Inf(-1)), F64: math.NaN(), PF: &f, DecS: "1"},
	}
	switch db.Backend {
	case testdb.SQLite: // which makes floats of decimals, and these have an exponent in a SELECT
		rows[2].Dec, rows[2].DecS = Decimal{"1234.5"}, "-999.25"
	case testdb.MariaDB: // which has only finite numbers
		rows[3].F32, rows[3].F64 = 0, 0
	}
	return rows
}

func texts() []Texts {
	s, st, lv, by, uu := "", Status("x"), Level(0), []byte{}, googleuuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	network := func(s string) net.IPNet {
		_, n, err := net.ParseCIDR(s)
		if err != nil {
			panic(err)
		}
		return *n
	}
	return []Texts{
		{
			S: "Jane", Text: "é <\"'\\ \n\t\u2028 𝄞", NZ: "z", PS: &s, NS: sql.NullString{String: "n", Valid: true},
			NT: sql.Null[string]{V: "g", Valid: true}, St: "open", PSt: &st, Lv: 1, PLv: &lv, By: []byte{0, 255}, PBy: &by,
			UU: uu, PUU: &uu, NUU: googleuuid.NullUUID{UUID: uu, Valid: true}, UUS: uu.String(), IP: net.IPv4(10, 0, 0, 1),
			Addr: netip.MustParseAddr("10.0.0.2"), Net: network("10.0.0.0/8"), Prefix: netip.MustParsePrefix("10.1.0.0/16"), TOD: "23:59:59",
		},
		{ // zero and NULL, but for what the databases refuse
			UUS: googleuuid.Nil.String(), IP: net.IPv6zero, Addr: netip.IPv4Unspecified(), Net: network("0.0.0.0/0"),
			Prefix: netip.MustParsePrefix("::/0"), TOD: "00:00:00",
		},
		{
			S: strings.Repeat("ß", 255), Text: strings.Repeat("x", 10_000), NS: sql.NullString{Valid: true}, NT: sql.Null[string]{Valid: true},
			St: "null", By: []byte("text"), UU: googleuuid.Max, UUS: googleuuid.Max.String(), IP: net.ParseIP("fe80::1"),
			Addr: netip.MustParseAddr("ffff::1"), Net: network("2001:db8::/32"), Prefix: netip.MustParsePrefix("2001:db8::1/128"), TOD: "12:00:00",
		},
	}
}

func documents() []Documents {
	zip := "1010"
	return []Documents{
		{
			Raw: json.RawMessage(`{"z":1.50,"a":[null,{}]}`), JS: json.RawMessage(`{"a": 1}`), P: Point{X: -1, Y: 1e21, S: "<é"}, PP: &Point{X: 1},
			M: map[string]any{"bb": 1.5, "a": nil, "c": []any{true, "x"}}, MI: map[string]int{"a": 1}, L: []Point{{X: 1}}, Any: []any{"q", float64(1)},
			Num:  map[string]any{"n": json.Number("12345678901234567890.10")},
			Strs: []string{"a", `"b", {c}`, ""}, Ints: []int64{math.MinInt64, 0}, Home: Address{City: "Wien", Zip: &zip},
		},
		{}, // zero and NULL
		{
			Raw: json.RawMessage(`"text"`), JS: json.RawMessage(`[]`), M: map[string]any{}, MI: map[string]int{}, L: []Point{}, Any: "text",
			Strs: []string{}, Ints: []int64{}, Home: Address{City: "'"},
		},
		{Raw: json.RawMessage(`[0]`), JS: json.RawMessage(`"false"`), Any: false, Num: map[string]any{"deep": map[string]any{"er": []any{}}}},
	}
}

func times(db *testdb.DB) []Times {
	at := time.Date(2026, 1, 2, 5, 4, 5, 123456789, time.FixedZone("", 2*3600+1800))
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	rows := []Times{
		{
			T: at, TS: day.Add(time.Microsecond), TZ: at, D: day, P: &at, PD: &day, NZ: at,
			B: bun.NullTime{Time: at},
		},
		{},
		{T: last, TS: last, TZ: last, D: last.Truncate(24 * time.Hour), P: &first, NZ: last},
		{T: at.Truncate(time.Second), TS: day.Add(100 * time.Millisecond), TZ: day, D: day, P: &last},
	}
	if db.Backend == testdb.MariaDB { // whose timestamps begin in 1970 and end in 2038
		for i := range rows {
			rows[i].TS, rows[i].TZ = day.Add(time.Duration(i)*time.Second), day
		}
	}
	return rows
}

func onPostgres() []OnPostgres {
	at := time.Date(2026, 1, 2, 3, 4, 5, 120000000, time.UTC)
	least := OnPostgres{Iv: "0", Money: "0", Chars: "", Mac: "00:00:00:00:00:00", Bits: "000", Range: "empty"}
	full := OnPostgres{
		Strs: []string{"a", `q"\`, "", "NULL", "a,b {}"}, NStrs: []string{"x"}, PStrs: &[]string{"p"}, Ints: []int64{1, -2}, Flts: []float64{1.5, 1e21},
		Bools: []bool{true, false}, Times: []time.Time{at}, Bytes: [][]byte{{0, 255}, {}}, UUIDs: []googleuuid.UUID{googleuuid.Max}, Sts: []Status{"x y"},
		Two: [2]int32{1, 2}, Pack: Point{X: 7, S: "packed"}, Dec: -1e15,
		NTime: sql.NullTime{Time: at, Valid: true}, GTime: sql.Null[time.Time]{V: at, Valid: true}, Iv: "1 year 2 mons 3 days 04:05:06.789", Range: "[1,4)",
		Money: "-12.50", Any: map[string]any{"a": []any{}}, Chars: "ab", Big: math.MaxUint64, F32: 0.1, Mac: "08:00:2b:01:02:03", Bits: "101",
		XML: "<a>1</a>", Vector: "'a' 'b':1",
	}
	empty := least
	empty.Strs, empty.PStrs, empty.Ints, empty.Times, empty.Bytes = []string{}, &[]string{}, []int64{}, []time.Time{}, [][]byte{}
	return []OnPostgres{full, least, empty}
}

// comesBack lets each row live: it is inserted, gets the values of the next one,
// and is deleted. What was in the database then is what history has to give in
// all its forms, and Revert to put there again.
func comesBack[M any](t *testing.T, db *testdb.DB, rows []M) {
	ctx := t.Context()
	pool := audited(t, db, (*M)(nil))
	table := db.Table(reflect.TypeFor[M]())
	id := table.FieldMap["id"]
	stored := func(key int) M {
		var row M
		require.NoError(t, db.NewSelect().Model(&row).Where("id = ?", key).Scan(ctx))
		return row
	}
	for i := range rows {
		key := i + 1
		first, second := rows[i], rows[(i+1)%len(rows)]
		id.Value(reflect.ValueOf(&first).Elem()).SetInt(int64(key))
		id.Value(reflect.ValueOf(&second).Elem()).SetInt(int64(key))
		_, err := pool.NewInsert().Model(&first).Exec(ctx)
		require.NoError(t, err)
		first = stored(key)
		_, err = pool.NewUpdate().Model(&second).WherePK().Exec(ctx)
		require.NoError(t, err)
		second = stored(key)
		_, err = pool.NewDelete().Model(&second).WherePK().Exec(ctx)
		require.NoError(t, err)

		history := func() *retrieval.Query[M] { return retrieval.For[M](pool).Key(key) }
		events, err := history().All(ctx)
		require.NoError(t, err)
		require.Len(t, events, 3)
		sides := map[string]M{"insert new": first, "update old": first, "update new": second, "delete old": second}

		// As the model.
		for j, want := range []M{first, second} {
			row, err := history().AsOf(ctx, events[j].Time)
			require.NoError(t, err)
			sameRow(t, table, want, row, "as of event %d of row %d", j, key)
		}
		versions, err := retrieval.Collect(history().Versions(ctx))
		require.NoError(t, err)
		require.Len(t, versions, 3)
		for j, want := range []M{first, second} {
			row, err := versions[j].Model()
			require.NoError(t, err)
			sameRow(t, table, want, row, "version %d of row %d", j, key)
		}

		// Field by field, and found by their values.
		for _, e := range events {
			for _, c := range e.Fields() {
				f := table.FieldMap[c.Field]
				for side, got := range map[string]any{"old": c.Old, "new": c.New} {
					want, ok := sides[string(e.Op)+" "+side]
					if !ok {
						continue
					}
					name := fmt.Sprintf("%s %s of row %d", side, f.GoName, key)
					v := f.Value(reflect.ValueOf(&want).Elem()).Interface()
					if got == nil { // NULL, whatever the type has for it
						require.True(t, isNull(v), name)
						v = nil
					}
					assert.Equal(t, plain(reflect.ValueOf(v)), plain(reflect.ValueOf(got)), name)
					if f.Tag.HasOption("msgpack") {
						continue // found by its bytes alone
					}
					q := history()
					if side == "old" {
						q.WhereOld(c.Field, v)
					} else {
						q.WhereNew(c.Field, v)
					}
					found, err := q.Op(e.Op).Count(ctx)
					if assert.NoError(t, err, name) {
						assert.Equal(t, 1, found, "found by the %s", name)
					}
				}
			}
		}

		// And back.
		for _, back := range []struct {
			since int
			want  M
		}{{2, second}, {1, first}} {
			_, err = history().Since(events[back.since].Time).Revert(ctx, retrieval.RevertOptions{Reason: "a test"})
			require.NoError(t, err)
			sameRow(t, table, back.want, stored(key), "row %d without event %d", key, back.since)
		}
	}
	for f, err := range retrieval.For[M](pool).Verify(ctx, retrieval.VerifyOptions{}) {
		require.NoError(t, err)
		t.Errorf("history tells otherwise: %s", f)
	}
}

// sameRow compares all columns of two rows.
func sameRow[M any](t *testing.T, table *schema.Table, want, got M, format string, args ...any) {
	t.Helper()
	for _, f := range table.Fields {
		w, g := f.Value(reflect.ValueOf(&want).Elem()), f.Value(reflect.ValueOf(&got).Elem())
		assert.Equal(t, plain(w), plain(g), "%s: %s", fmt.Sprintf(format, args...), f.GoName)
	}
}

// isNull reports whether a value that was read may have been NULL.
func isNull(v any) bool {
	valuer, ok := v.(driver.Valuer)
	if ok && reflect.TypeOf(v).Kind() != reflect.Pointer {
		v, _ = valuer.Value()
	}
	raw, _ := v.(json.RawMessage)
	return v == nil || reflect.ValueOf(v).IsZero() || string(raw) == "null"
}

// plain makes values comparable: times by their instant, floats and numbers of
// any size by their text, JSON by what it says. nil slices aren't empty ones.
func plain(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC()
	case bun.NullTime:
		return x.UTC()
	case Big:
		return fmt.Sprint(x.Int)
	case json.RawMessage:
		var doc any
		_ = json.Unmarshal(x, &doc)
		return doc
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return fmt.Sprint(v.Interface())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes()
		}
		all := make([]any, v.Len())
		for i := range all {
			all[i] = plain(v.Index(i))
		}
		return all
	case reflect.Struct:
		if v.NumField() == 0 || !v.Type().Field(0).IsExported() {
			return v.Interface()
		}
		all := map[string]any{}
		for i := range v.NumField() {
			all[v.Type().Field(i).Name] = plain(v.Field(i))
		}
		return all
	}
	return v.Interface()
}
