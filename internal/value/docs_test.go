package value_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

func eventFormat(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/event-format.md")
	require.NoError(t, err)
	return string(doc)
}

// The examples of events are events: every member is known, and package sink
// prints them as they are.
func TestTheExamplesOfEventsAreTrue(t *testing.T) {
	blocks := regexp.MustCompile("(?s)<!-- example: (\\w+) -->\n```json\n(.*?)```").FindAllStringSubmatch(eventFormat(t), -1)
	require.Len(t, blocks, 2)
	for _, block := range blocks {
		t.Run(block[1], func(t *testing.T) {
			dec := json.NewDecoder(strings.NewReader(block[2]))
			dec.DisallowUnknownFields()
			var e sink.Event
			require.NoError(t, dec.Decode(&e))
			var want bytes.Buffer
			require.NoError(t, json.Compact(&want, []byte(block[2])))
			got, err := json.Marshal(e)
			require.NoError(t, err)
			assert.JSONEq(t, want.String(), string(got))
			assert.Len(t, got, want.Len())
		})
	}
}

// The members in the table are those of the type.
func TestTheTableOfMembersIsComplete(t *testing.T) {
	doc := eventFormat(t)
	full, err := json.Marshal(sink.Event{
		Key: sink.Values{"a": nil}, OldKey: sink.Values{"a": nil}, Changes: map[string]sink.Change{"a": {}}, Actor: sink.Actor{ID: "1"},
		Reason: "r", Meta: map[string]string{"a": "b"}, Soft: true, TraceID: "t", SpanID: "s",
	})
	require.NoError(t, err)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(full, &members))
	require.Len(t, members, 15)
	for name := range members {
		assert.Contains(t, doc, "`"+name+"`")
	}
}

// Each row of the table of values, on PostgreSQL, which has all the types.
func TestTheTableOfValuesIsTrue(t *testing.T) {
	doc := eventFormat(t)
	table := doc[strings.Index(doc, "## Values"):strings.Index(doc, "- **Numbers**")]
	cells := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(table, -1)
	examples := map[string]bool{}
	for _, cell := range cells {
		assert.True(t, json.Valid([]byte(cell[1])), cell[1])
		examples[cell[1]] = true
	}
	values := map[string]string{
		`9223372036854775807`: `9223372036854775807::int8`, `12.50`: `12.50::numeric`, `0.1`: `0.1::float4`, `"NaN"`: `'NaN'::numeric`,
		`"Infinity"`: `'Infinity'::float8`, `"-Infinity"`: `'-Infinity'::float8`, `1234.50`: `'1234.50'::money`, `true`: `true`, `"Jane"`: `'Jane'::text`,
		`"[1,4)"`: `'[1,3]'::int4range`, `"2026-01-02T03:04:05.000000Z"`: `'2026-01-02 03:04:05+00'::timestamptz`,
		`"2026-01-02T03:04:05.000000"`: `'2026-01-02 03:04:05'::timestamp`, `"2026-01-02"`: `'2026-01-02'::date`, `"AP8="`: `decode('00ff','hex')`,
		`{"a":[1,2]}`: `'{"a": [1, 2]}'::json`, `["AP8=",null]`: `ARRAY[decode('00ff','hex'), NULL]`, `{"a":"1","b":null}`: `'a=>1,b=>NULL'::hstore`,
		`"(1,\"a b\")"`: `ROW(1, 'a b')::pair`, `null`: `NULL::int`,
	}
	for example := range examples {
		assert.Contains(t, values, example, "an example without a test")
	}
	db := testdb.New(t, testdb.Postgres)
	exec(t, db, `CREATE TYPE pair AS (a int, b text)`)
	extension(t, db, "hstore")
	for want, expr := range values {
		assert.True(t, examples[want], "%s is not in the table", want)
		exec(t, db, `CREATE TABLE "T x" AS SELECT `+expr+` AS v`)
		conn, err := db.DB.DB.Conn(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, exprOf(t, conn, "v"))
		require.NoError(t, conn.Close())
		exec(t, db, `DROP TABLE "T x"`)
	}
}

// What is said of SQLite.
func TestTheTextOnSQLiteIsTrue(t *testing.T) {
	for _, tt := range []struct {
		kind value.Kind
		v    any
		want string
	}{
		{value.KindText, "\xff", `{"base64":"/w=="}`}, {value.KindInt, "x", `"x"`}, {value.KindJSON, "x", `"x"`}, {value.KindTimestamp, "x", `"x"`},
		{value.KindNumeric, 12.5, `12.5`}, {value.KindBool, int64(2), `2`},
	} {
		raw, err := value.Encode(tt.kind, tt.v)
		require.NoError(t, err)
		assert.Equal(t, tt.want, string(raw))
	}
}
