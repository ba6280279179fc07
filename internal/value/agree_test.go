package value_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

// randomJSON makes JSON in every notation that the grammar has.
func randomJSON(r *rand.Rand, depth int) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	space := func() string { return pick("", "", " ", "\n\t") }
	name := func() string { return pick(`"a"`, `"b"`, `"aa"`, `"\u0061"`, `"é"`, `"z\/"`, `""`, `"\ud83d\ude00"`) }
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch r.IntN(kinds) {
	case 0:
		return pick("true", "false", "null")
	case 1, 2:
		n := pick("", "-") + pick("0", "7", "12", "98765432109876543210") + pick("", ".0", ".50", ".000001") + pick("", "e3", "E-2", "e+0", "e12", "e-12")
		return n
	case 3:
		return `"` + pick("", "x", `\n\t\b\f\r`, `\"\\`, `\u0001\u001f`, "\u2028<>&", `\u00e9`, "\x7f") + `"`
	case 4:
		var parts []string
		for range r.IntN(4) {
			parts = append(parts, space()+randomJSON(r, depth-1)+space())
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		var parts []string
		for range r.IntN(5) {
			parts = append(parts, space()+name()+space()+":"+randomJSON(r, depth-1))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
}

// One JSON has one canonical text, whichever database made it.
func TestJSONAgreesWithPostgres(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		doc := randomJSON(r, 3)
		var printed string
		require.NoError(t, db.DB.DB.QueryRowContext(t.Context(), "SELECT $1::jsonb::text", doc).Scan(&printed), doc)
		var want strings.Builder
		require.NoError(t, compactTo(&want, []byte(printed)))
		got, ok := value.AppendJSON(nil, []byte(doc))
		require.True(t, ok, doc)
		require.Equal(t, want.String(), string(got), doc)
	}
}

// The digits of a float may differ in the rare case that two decimals are
// shortest, but never what they stand for.
func TestFloatsAgreeWithPostgres(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	r := rand.New(rand.NewPCG(3, 4))
	var floats []string
	for range 2000 {
		f := math.Float64frombits(r.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		floats = append(floats, strconv.FormatFloat(f, 'g', -1, 64))
	}
	floats = append(floats, "1e23", "5e-324", "1.7976931348623157e308", "0.1", "-0")
	rows, err := db.DB.DB.QueryContext(t.Context(), fmt.Sprintf("SELECT f::text, to_jsonb(f)::text FROM unnest('{%s}'::float8[]) AS f", strings.Join(floats, ",")))
	require.NoError(t, err)
	defer func() { assert.NoError(t, rows.Close()) }()
	differ := 0
	for rows.Next() {
		var text, printed string
		require.NoError(t, rows.Scan(&text, &printed))
		f, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		got, err := value.Encode(value.KindFloat, f)
		require.NoError(t, err)
		if string(got) != printed {
			differ++
			back, err := strconv.ParseFloat(printed, 64)
			require.NoError(t, err)
			assert.Equal(t, f, back)
		}
	}
	require.NoError(t, rows.Err())
	assert.LessOrEqual(t, differ, 2)
}
