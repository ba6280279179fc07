package value_test

import (
	"encoding/json"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

type keys struct {
	bun.BaseModel `bun:"table:keys"`

	ID   int64 `bun:",pk"`
	I32  int32
	U    uint64
	S    string
	St   status
	Uu   id16   `bun:"type:uuid"`
	UuS  string `bun:"type:uuid"`
	By   []byte
	A    [4]byte
	T    time.Time
	TS   time.Time `bun:"type:timestamp"`
	D    time.Time `bun:"type:date"`
	B    bool
	F    float64
	F32  float32
	N    dec       `bun:"type:numeric"`
	NS   string    `bun:"type:numeric"`
	M    string    `bun:"type:numeric(10,2)"`
	M0   string    `bun:"type:numeric(10)"`
	Ints string    `bun:"type:bigint"`
	C    string    `bun:"type:char(4)"`
	Lv   level     `bun:"type:varchar(10)"`
	IP   net.IP    `bun:"ip,type:inet"`
	Net  net.IPNet `bun:"net,type:cidr"`
	P    *int64
	J    point    `bun:"type:jsonb"`
	Arr  []string `bun:",array"`
}

const uuidText = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

func TestFromGoGivesWhatTheDatabaseWouldHave(t *testing.T) {
	at := time.Date(2026, 1, 2, 5, 4, 5, 123456789, time.FixedZone("", 7200))
	n := 5
	network := net.IPNet{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		for _, tt := range []struct {
			column string
			v      any
			want   string
		}{
			{"id", 2, `2`}, {"id", int8(-2), `-2`}, {"id", uint64(2), `2`}, {"id", &n, `5`}, {"id", nil, `null`}, {"id", (*int)(nil), `null`},
			{"id", time.Second, `1000000000`}, {"i32", int64(7), `7`}, {"u", uint64(1 << 63), `9223372036854775808`},
			{"s", "a\"<", `"a\"<"`}, {"s", status("x"), `"x"`}, {"st", "open", `"open"`}, {"st", status("open"), `"open"`},
			{"uu", id16{1}, `"01000000-0000-0000-0000-000000000000"`}, {"uu", uuidText, `"` + uuidText + `"`},
			{"uu", [16]byte{1}, `"01000000-0000-0000-0000-000000000000"`}, {"uus", uuidText, `"` + uuidText + `"`},
			{"by", []byte{0, 255}, `"AP8="`}, {"by", "a", `"YQ=="`}, {"a", [4]byte{1, 2, 3, 4}, `"AQIDBA=="`},
			{"t", at, `"2026-01-02T03:04:05.123456Z"`}, {"t", &at, `"2026-01-02T03:04:05.123456Z"`}, {"t", bun.NullTime{Time: at}, `"2026-01-02T03:04:05.123456Z"`},
			{"t", bun.NullTime{}, `null`}, {"t", "2026-01-02T03:04:05Z", `"2026-01-02T03:04:05.000000Z"`},
			{"ts", at, `"2026-01-02T03:04:05.123456"`}, {"d", at.Truncate(24 * time.Hour), `"2026-01-02"`}, {"d", "2026-01-02", `"2026-01-02"`},
			{"b", true, `true`}, {"f", 1e21, `1000000000000000000000`}, {"f", 3, `3`}, {"f", "NaN", `"NaN"`}, {"f32", float32(0.1), `0.1`},
			{"n", dec{"1.5"}, `1.5`}, {"n", "-0.5", `-0.5`}, {"n", 2, `2`}, {"n", big.NewInt(7), `7`}, {"n", json.Number("1e2"), `100`}, {"ns", "1.5", `1.5`},
			{"ints", "7", `7`}, {"ints", 7, `7`}, {"lv", level(1), `"high"`}, {"ip", net.IPv4(10, 0, 0, 1), `"10.0.0.1"`}, {"ip", "10.0.0.1", `"10.0.0.1"`},
			{"net", network, `"10.0.0.0/8"`}, {"net", &network, `"10.0.0.0/8"`}, {"net", "10.0.0.0/8", `"10.0.0.0/8"`},
			{"p", 3, `3`}, {"j", point{X: 1, S: "s"}, `{"x":1,"string":"s"}`}, {"arr", []string{"a", "b"}, `["a","b"]`},
		} {
			got, err := value.FromGo(field[keys](t, db, tt.column), tt.v)
			if assert.NoError(t, err, "%s %T", tt.column, tt.v) {
				assert.Equal(t, tt.want, string(got), "%s %T", tt.column, tt.v)
			}
		}
		if db.Backend == testdb.Postgres {
			got, err := value.FromGo(field[keys](t, db, "c"), "ab")
			require.NoError(t, err)
			assert.Equal(t, `"ab  "`, string(got), "PostgreSQL pads it")
			got, err = value.FromGo(field[keys](t, db, "uus"), "{6BA7B8109DAD11D180B400C04FD430C8}")
			require.NoError(t, err)
			assert.Equal(t, `"`+uuidText+`"`, string(got))
			for v, want := range map[any]string{
				"12.5": "12.50", 7: "7.00", "0": "0.00", 1e3: "1000.00", "-0.125": "-0.125", "1.5000": "1.50", "NaN": `"NaN"`,
			} {
				got, err := value.FromGo(field[keys](t, db, "m"), v)
				require.NoError(t, err)
				assert.Equal(t, want, string(got), "it has two decimals")
			}
			for v, want := range map[any]string{"100": "100", "7.00": "7", "0.5": "0.5"} {
				got, err := value.FromGo(field[keys](t, db, "m0"), v)
				require.NoError(t, err)
				assert.Equal(t, want, string(got), "it has none")
			}
		}
	})
}

func TestFromGoRefusesTheWrongShapeAndDoesNotShowIt(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		for _, tt := range []struct {
			column string
			v      any
		}{
			{"id", "4711x"}, {"id", 1.5}, {"id", true}, {"id", []byte("4711")}, {"id", struct{ A int }{4711}}, {"id", time.Now()}, {"id", []int{4711}},
			{"s", 4711}, {"s", true}, {"s", time.Now()}, {"s", map[string]int{"4711": 1}}, {"uu", "4711"}, {"uus", 4711}, {"a", []byte("4711x")},
			{"t", 4711}, {"t", "4711"}, {"b", 1}, {"b", "4711"}, {"f", "4711x"}, {"n", "4711x"}, {"by", 4711}, {"ip", "4711"}, {"ints", "4711x"},
			{"i32", func() {}}, {"arr", make(chan int)},
		} {
			_, err := value.FromGo(field[keys](t, db, tt.column), tt.v)
			if assert.Error(t, err, "%s %T", tt.column, tt.v) {
				assert.NotContains(t, err.Error(), "4711")
			}
		}
	})
}

// What FromGo says must be what the database gives, or no key is ever found.
func TestFromGoAgreesWithTheDatabase(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		row := keys{
			ID: -1, I32: 2, U: 3, S: "é\"\\", St: "x", Uu: id16{9}, UuS: uuidText, By: []byte("b"), A: [4]byte{1}, T: time.Now(),
			TS: time.Now(), D: time.Now().UTC().Truncate(24 * time.Hour), B: true, F: 0.1 + 0.2, F32: 1e-7, N: dec{"2.25"}, NS: "3.125", M: "12.5", M0: "70", Net: net.IPNet{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}, Ints: "12",
			C: "ab", Lv: 1, IP: net.IPv4(1, 2, 3, 4), J: point{X: 1}, Arr: []string{"x", "y z"},
		}
		create[keys](t, db)
		_, err := db.NewInsert().Model(&row).Exec(t.Context())
		require.NoError(t, err)
		table := db.Table(fieldType[keys]())
		for column, want := range canonicalRows(t, db, table)[0] {
			f := field[keys](t, db, column)
			got, err := value.FromGo(f, valueOf(row, f))
			require.NoError(t, err, column)
			assert.Equal(t, want, string(got), column)
		}
	})
}
