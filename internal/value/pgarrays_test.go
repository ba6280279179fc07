package value_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

type arrays struct {
	bun.BaseModel `bun:"table:arrays"`

	ID    int64             `bun:",pk"`
	S     []string          `bun:",array"`
	N     []string          `bun:",array,nullzero"`
	I     []int64           `bun:"type:bigint[]"`
	I32   []int32           `bun:",array"`
	F     []float64         `bun:",array"`
	B     []bool            `bun:",array"`
	T     []time.Time       `bun:",array"`
	TS    []time.Time       `bun:"type:timestamp[]"`
	By    [][]byte          `bun:",array"`
	U     []id16            `bun:"type:uuid[]"`
	P     []*string         `bun:",array"`
	St    []status          `bun:"type:text[]"`
	H     map[string]string `bun:",hstore"`
	Multi [2]int32          `bun:"type:integer[]"`
	R     string            `bun:"type:int4range,nullzero"`
}

func TestPostgresArraysAndHstoreComeBackAsBunScansThem(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	extension(t, db, "hstore")
	p := "p"
	at := time.Date(2026, 1, 2, 3, 4, 5, 120000000, time.UTC)
	got := roundTrip(t, db, arrays{
		ID: 1, S: []string{"a", `q"\`, "", "NULL", "a,b {}", "a''b", `\x41`, "é", "(1)", "[x]"}, I: []int64{1, -2}, I32: []int32{7}, F: []float64{1.5, 1e21},
		B: []bool{true, false}, T: []time.Time{at}, TS: []time.Time{at}, By: [][]byte{{0, 255}, {}}, U: []id16{{1}}, P: []*string{&p},
		St: []status{"x y"}, H: map[string]string{"a": `1"`, "bb": ""}, Multi: [2]int32{1, 2}, R: "[1,4)",
	}, arrays{ID: 2, S: []string{}, T: []time.Time{}})
	assert.Equal(t, map[string]string{
		"id": "1", "s": `["a","q\"\\","","NULL","a,b {}","a''b","\\x41","é","(1)","[x]"]`, "n": "null", "i": "[1,-2]", "i32": "[7]",
		"f": "[1.5,1000000000000000000000]", "b": "[true,false]", "t": `["2026-01-02T03:04:05.120000Z"]`, "ts": `["2026-01-02T03:04:05.120000"]`,
		"by": `["AP8=",""]`, "u": `["01000000-0000-0000-0000-000000000000"]`, "p": `["p"]`, "st": `["x y"]`, "h": `{"a":"1\"","bb":""}`,
		"multi": "[1,2]", "r": `"[1,4)"`,
	}, got[0])
}

type ranges struct {
	bun.BaseModel `bun:"table:ranges"`

	ID int64                           `bun:",pk"`
	R  pgdialect.Range[time.Time]      `bun:"type:tstzrange"`
	M  pgdialect.MultiRange[time.Time] `bun:",multirange,type:tstzmultirange"`
}

func TestPostgresRangesComeBackAsBunScansThem(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	var version int
	require.NoError(t, db.DB.DB.QueryRowContext(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&version))
	if version < 140000 {
		t.Skip("PostgreSQL has multiranges from 14 on")
	}
	create[ranges](t, db)
	exec(t, db, `INSERT INTO ranges VALUES (1, '[2026-01-02 03:04:05+00,2026-01-03 00:00:00+00)', '{[2026-01-02 03:04:05+00,2026-01-03 00:00:00+00)}')`)
	var want ranges
	require.NoError(t, db.NewSelect().Model(&want).ColumnExpr("id, r").Scan(t.Context()))
	table := db.Table(fieldType[ranges]())
	columns := canonicalRows(t, db, table)[0]
	var got ranges
	f := field[ranges](t, db, "r")
	require.NoError(t, value.Decode(f, json.RawMessage(columns["r"]), f.Value(reflect.ValueOf(&got).Elem())))
	assert.True(t, want.R.Lower.Equal(got.R.Lower) && want.R.Upper.Equal(got.R.Upper))
	assert.Equal(t, want.R.LowerBound, got.R.LowerBound)
	assert.Contains(t, columns["m"], `"{[`)
}

// extension installs an extension in the test's schema, where it is dropped
// with it. A database has an extension once.
func extension(t *testing.T, db *testdb.DB, name string) {
	t.Helper()
	if _, err := db.DB.DB.ExecContext(t.Context(), "CREATE EXTENSION "+name); err != nil {
		t.Skipf("the extension %s can't be installed in the test's schema: %v", name, err)
	}
}
