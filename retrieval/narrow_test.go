package retrieval_test

import (
	"database/sql"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

type small int8

type sizes struct{ Deep uint16 }

// Narrow is a model whose fields were wider once.
type Narrow struct {
	bun.BaseModel `bun:"table:narrow,audit"`

	ID  int16 `bun:",pk"`
	I16 int16
	I8  small
	U8  uint8
	U   uint
	U32 uint32
	P16 *int16
	PP  **uint8
	F32 float32
	PF  *float32
	N16 sql.NullInt16
	N32 sql.NullInt32
	NB  sql.NullByte
	NT  sql.Null[int8]
	NF  sql.Null[float32]
	sizes
	More sizes  `bun:"embed:more_"`
	List []int8 `bun:",array"`
	Doc  []int8
}

// Tight is the part of it that a row needs.
type Tight struct {
	bun.BaseModel `bun:"table:narrow,audit"`

	ID  int16 `bun:",pk"`
	I16 int16
}

func TestValuesThatAreTooWideAreNeverCut(t *testing.T) {
	tooWide := [][2]string{
		{"i16", "70000"}, {"i16", "-32769"}, {"i16", `"70000"`}, {"i16", "100000000000000000000"}, {"i8", "300"}, {"u8", "-1"}, {"u8", "300"}, {"u", "-1"},
		{"u32", "4294967296"}, {"u32", "-1"}, {"p16", "70000"}, {"pp", "300"}, {"f32", "1e300"}, {"pf", "-1e39"}, {"n16", "70000"}, {"n32", "5000000000"},
		{"nb", "-1"}, {"nt", "128"}, {"nf", "1e300"}, {"deep", "65536"}, {"more_deep", "-1"}, {"list", "[1,300]"}, {"doc", "[300]"},
	}
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		var events []sink.Event
		set := func(c [2]string) {
			op := sink.Insert
			if len(events) > 0 {
				op = sink.Update
			}
			events = append(events, sink.Event{Op: op, Table: "narrow", Model: "Narrow", Key: key(1),
				Changes: map[string]sink.Change{c[0]: {New: json.RawMessage(c[1])}}})
			if op == sink.Update {
				events[len(events)-1].Changes[c[0]] = sink.Change{Old: json.RawMessage("null"), New: json.RawMessage(c[1])}
			}
		}
		for _, c := range tooWide {
			set(c)
			set([2]string{c[0], "null"})
		}
		record(t, db, sqlsink.New(), events...)
		all := retrieval.For[Narrow](db).Key(1)
		names := func(err error, event, column string) {
			t.Helper()
			require.Error(t, err, column)
			for _, name := range []string{"event " + event + " of narrow", "column " + column, "(field "} {
				assert.ErrorContains(t, err, name)
			}
		}
		versions, err := retrieval.Collect(all.Versions(t.Context()))
		require.NoError(t, err)
		got, err := all.All(t.Context())
		require.NoError(t, err)
		for i, c := range tooWide {
			e := got[2*i]
			_, err := e.New()
			names(err, e.ID, c[0])
			assert.Equal(t, e.Changes[c[0]].New, e.Fields()[0].New, "as JSON")
			_, err = versions[2*i].Model()
			names(err, e.ID, c[0])
			_, err = all.AsOf(t.Context(), e.Time)
			names(err, e.ID, c[0])
			for row, err := range retrieval.For[Narrow](db).RowsAsOf(t.Context(), e.Time) {
				require.NoError(t, err)
				_, err = row.Model()
				names(err, e.ID, c[0])
			}
			diff, err := all.Diff(t.Context(), e.Time, e.Time.Add(time.Minute))
			require.NoError(t, err)
			assert.Equal(t, e.Changes[c[0]].New, diff.Fields[0].Old, "as JSON")
			_, err = versions[2*i+1].Model()
			require.NoError(t, err)
		}
		_, err = retrieval.For[Narrow](db).WhereNew("u8", 300).All(t.Context())
		require.Error(t, err)
	})
}

// What fits stays as it is, at the edges too.
func TestValuesThatJustFit(t *testing.T) {
	p, u := int16(math.MinInt16), uint8(math.MaxUint8)
	pu, inf := &u, float32(math.Inf(1))
	want := Narrow{ID: 1, I16: math.MaxInt16, I8: math.MinInt8, U8: 255, U: math.MaxInt64, U32: math.MaxUint32, P16: &p, PP: &pu, F32: math.MaxFloat32, PF: &inf,
		N16: sql.NullInt16{Int16: math.MaxInt16, Valid: true}, NB: sql.NullByte{Byte: 255, Valid: true}, sizes: sizes{65535}, More: sizes{0}, List: []int8{-128, 127}}
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		e := sink.Event{Op: sink.Insert, Table: "narrow", Model: "Narrow", Key: key(1), Changes: map[string]sink.Change{}}
		for column, text := range map[string]string{
			"i16": "32767", "i8": "-128", "u8": "255", "u": "9223372036854775807", "u32": "4294967295", "p16": "-32768", "pp": "255", "f32": "3.4028234663852886e38",
			"pf": `"Infinity"`, "n16": "32767", "nb": "255", "deep": "65535", "more_deep": "0", "list": "[-128,127]", "doc": "null",
		} {
			e.Changes[column] = sink.Change{New: json.RawMessage(text)}
		}
		record(t, db, sqlsink.New(), e)
		first, err := retrieval.For[Narrow](db).First(t.Context())
		require.NoError(t, err)
		got, err := first.New()
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
}

// A revert of what the model can't hold changes nothing, and no other row, whose
// key is what is left of a wider one.
func TestRevertOfValuesThatAreTooWide(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Tight)(nil))
		insert(t, pool, Tight{ID: 1, I16: 7}, Tight{ID: 4464, I16: 7})
		change := map[string]sink.Change{"i16": {Old: json.RawMessage("70000"), New: json.RawMessage("7")}}
		record(t, db, sqlsink.New(), sink.Event{Table: "narrow", Model: "Narrow", Key: key(1), Changes: change})
		_, err := revert(t, db, retrieval.ForAll(pool).Tx(uuid(1000)), because)
		require.ErrorContains(t, err, "event "+uuid(0)+" of narrow: value: column i16 (field I16)")

		change = map[string]sink.Change{"i16": {Old: json.RawMessage("3"), New: json.RawMessage("7")}}
		record(t, db, sqlsink.New(), sink.Event{ID: uuid(1), Tx: uuid(1001), Table: "narrow", Model: "Narrow", Key: key(70000), Changes: change})
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(uuid(1001)), because)
		require.ErrorContains(t, err, "event "+uuid(1)+" of narrow: value: column id (field ID)")
		var left []int
		require.NoError(t, db.NewSelect().Model((*Tight)(nil)).Column("i16").Scan(t.Context(), &left))
		assert.Equal(t, []int{7, 7}, left)
	})
}
