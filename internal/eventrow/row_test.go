package eventrow_test

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

func uuid(n int) string { return fmt.Sprintf("0195e4a0-0000-7000-8000-%012x", n) }

func event(n int) sink.Event {
	return sink.Event{
		ID: uuid(n), Tx: uuid(0), Op: sink.Update, Table: "customers", Model: "Customer",
		Time:    time.Date(2025, 1, 2, 3, 4, 5, 6000, time.UTC),
		Key:     sink.Values{"id": json.RawMessage(fmt.Sprint(n))},
		Changes: map[string]sink.Change{"name": {Old: json.RawMessage(`"Jane"`), New: json.RawMessage("null")}},
	}
}

// through passes v through what a driver sees of it.
func through[T any, P interface {
	*T
	Scan(any) error
}](t testing.TB, v T) T {
	t.Helper()
	stored, err := any(v).(driver.Valuer).Value()
	require.NoError(t, err)
	if s, ok := stored.(string); ok {
		stored = []byte(s)
	}
	var back T
	require.NoError(t, P(&back).Scan(stored))
	return back
}

// FuzzRoundTrip: what FromEvent takes comes back, and what is no JSON is
// refused.
func FuzzRoundTrip(f *testing.F) {
	f.Add("customers", "id", `1`, "name", `"Jane"`, `null`, "reason", "key", "value", int64(1735787045000006), uint8(3))
	f.Add("a.b", `"`, `"\u0000"`, "", ` [ 1 , {"b":1,"a":1e400} ] `, `"<>&\u2028"`, "x\x00y", "\xff", "\x00", int64(-1), uint8(0))
	f.Add("t", "k", `-0.10`, "имя", `"猫"`, `{"a":1,"a":2}`, "it's ? ?0 $1 \\", "", "", int64(0), uint8(255))
	f.Fuzz(func(t *testing.T, table, keyColumn, keyValue, column, before, after, text, metaKey, metaValue string, micros int64, flags uint8) {
		keyColumn, column = strings.ToValidUTF8(keyColumn, ""), strings.ToValidUTF8(column, "")
		e := event(1)
		e.Table, e.Reason, e.Actor = table, text, sink.Actor{ID: text, Name: metaValue}
		e.Time = time.UnixMicro(micros)
		e.Soft = flags&1 != 0
		e.Key = sink.Values{keyColumn: json.RawMessage(keyValue)}
		if flags&2 != 0 {
			e.OldKey = sink.Values{keyColumn: json.RawMessage(before)}
		}
		e.Changes[column] = sink.Change{Old: json.RawMessage(before)}
		if flags&4 != 0 {
			e.Changes[column] = sink.Change{New: json.RawMessage(after), Mask: sink.Hashed}
		}
		e.Meta = map[string]string{metaKey: metaValue}

		row, err := eventrow.FromEvent(&e)
		if err != nil {
			if y := e.Time.UTC().Year(); table != "" && y >= 1 && y <= 9999 && json.Valid([]byte(keyValue)) &&
				json.Valid([]byte(before)) && json.Valid([]byte(after)) && before != "" && after != "" {
				t.Fatalf("a good event was refused: %v", err)
			}
			return
		}
		for _, text := range []*eventrow.Text{&row.Model, &row.ActorID, &row.ActorType, &row.ActorName, &row.OnBehalfOf, &row.Reason, &row.TraceID, &row.SpanID} {
			*text = through(t, *text)
		}
		for _, doc := range []*eventrow.JSON{&row.Key, &row.OldKey, &row.Changes, &row.Meta} {
			*doc = through(t, *doc)
		}
		row.Time = through(t, row.Time)
		got, err := row.ToEvent()
		require.NoError(t, err)
		assert.Equal(t, expected(t, e), got)
	})
}

// expected is what an event becomes in storage by the rules in doc.go.
func expected(t testing.TB, e sink.Event) sink.Event {
	t.Helper()
	clean := func(s string) string {
		return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	}
	compact := func(v json.RawMessage) json.RawMessage {
		if len(v) == 0 {
			return nil
		}
		var b bytes.Buffer
		require.NoError(t, json.Compact(&b, v))
		return b.Bytes()
	}
	values := func(v sink.Values) sink.Values {
		var c sink.Values
		for column, value := range v {
			if c == nil {
				c = sink.Values{}
			}
			c[column] = compact(value)
		}
		return c
	}
	e.Table, e.Reason, e.Actor.ID, e.Actor.Name = clean(e.Table), clean(e.Reason), clean(e.Actor.ID), clean(e.Actor.Name)
	e.Time = e.Time.UTC()
	e.Key, e.OldKey = values(e.Key), values(e.OldKey)
	changes := map[string]sink.Change{}
	for column, c := range e.Changes {
		changes[column] = sink.Change{Old: compact(c.Old), New: compact(c.New), Mask: c.Mask}
	}
	e.Changes = changes
	meta := map[string]string{}
	for k, v := range e.Meta {
		meta[clean(k)] = clean(v)
	}
	e.Meta = meta
	return e
}

func TestFromEventLeavesTheEventAlone(t *testing.T) {
	e := event(1)
	e.Meta = map[string]string{"a\x00": "b\xff"}
	e.Changes["name"] = sink.Change{New: json.RawMessage(` { "a" : 1 } `)}
	_, err := eventrow.FromEvent(&e)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a\x00": "b\xff"}, e.Meta)
	assert.Equal(t, ` { "a" : 1 } `, string(e.Changes["name"].New))
}

func TestEmptyMapsAreNull(t *testing.T) {
	e := event(1)
	e.Key, e.OldKey, e.Changes, e.Meta = sink.Values{}, sink.Values{}, map[string]sink.Change{}, map[string]string{}
	row, err := eventrow.FromEvent(&e)
	require.NoError(t, err)
	for _, doc := range []eventrow.JSON{row.Key, row.OldKey, row.Changes, row.Meta} {
		v, err := doc.Value()
		require.NoError(t, err)
		assert.Nil(t, v)
	}
}

// Keys are looked up by their text where the database compares texts.
func TestCanonicalKeys(t *testing.T) {
	for want, key := range map[string]sink.Values{
		``:                       nil,
		`{"id":1}`:               {"id": json.RawMessage(" 1\n")},
		`{"a":1,"b":2,"c":3}`:    {"c": json.RawMessage("3"), "a": json.RawMessage("1"), "b": json.RawMessage("2")},
		`{"id":"<a>&'\"ж"}`:      {"id": json.RawMessage(`"<a>&'\"ж"`)},
		`{"<ж>":{"x":1,"a":[]}}`: {"<ж>": json.RawMessage(`{"x": 1, "a": []}`)},
		`{"id":null}`:            {"id": nil},
	} {
		got, err := eventrow.Canonical(key)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

func TestOrderOfStoredTimesIsTheOrderOfTimes(t *testing.T) {
	var last string
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(999, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2025, 1, 1, 9, 0, 0, 0, time.FixedZone("", 3*3600)),
		time.Date(2025, 1, 1, 7, 0, 0, 0, time.UTC),
		time.Date(2025, 1, 1, 7, 0, 0, 1999, time.UTC),
		time.Date(2025, 1, 1, 7, 0, 0, 100_000_000, time.UTC),
		time.Date(2025, 1, 1, 7, 0, 1, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		v, err := eventrow.NewTime(at).Value()
		require.NoError(t, err)
		assert.Len(t, v, len("2006-01-02T15:04:05.000000Z"))
		assert.Greater(t, v, last)
		last = v.(string)
	}
}

func TestTimeIsReadInEveryFormThatDriversReturn(t *testing.T) {
	want := time.Date(2025, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	for _, src := range []any{
		want, want.In(time.FixedZone("", 7200)), "2025-01-02T03:04:05.600000Z", []byte("2025-01-02T05:04:05.6+02:00"),
		"2025-01-02 03:04:05.6+00:00", "2025-01-02 05:04:05.6+02",
	} {
		var got eventrow.Time
		require.NoError(t, got.Scan(src))
		assert.Equal(t, want, got.Time())
	}
	var got eventrow.Time
	assert.ErrorContains(t, got.Scan("yesterday"), "eventrow: read time")
	assert.ErrorContains(t, got.Scan(12), "eventrow: read text: the driver returned int")
}

func TestTamperedColumnsAreErrorsWithoutTheirValues(t *testing.T) {
	row := eventrow.Row{ID: uuid(1), Changes: eventrow.JSON(`["secret"]`)}
	_, err := row.ToEvent()
	require.ErrorContains(t, err, "eventrow: decode column changes of event "+uuid(1))
	assert.NotContains(t, err.Error(), "secret")
	var doc eventrow.JSON
	assert.ErrorContains(t, doc.Scan("secret"), "eventrow: read JSON")
}

// What PostgreSQL's jsonb and json give out is read as other JSON is, without parsing it.
func FuzzJSONBIsReadAsJSON(f *testing.F) {
	for _, doc := range []string{`{}`, `[]`, `" a \" : , \\"`, `{"a": [1, 2.50, {"b": null}], "\\": "\\\\"}`, `{"key ": " \\\" ", "ü": "  "}`, `-1`, `{"a": true}`, "{\n\t\"a\":\r\n\"\u2028\"}"} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if !json.Valid(doc) {
			t.Skip()
		}
		var want eventrow.JSON
		require.NoError(t, want.Scan(doc))
		var row eventrow.Row
		for _, src := range []any{doc, string(doc), doc} { // into memory that was used before
			for _, i := range []int{7, 8, 9, 15} {
				require.NoError(t, row.Fields(dialect.PG)[i].(sql.Scanner).Scan(src))
			}
			for _, got := range []eventrow.JSON{row.Key, row.OldKey, row.Changes, row.Meta} {
				assert.Equal(t, string(want), string(got))
			}
		}
		require.NoError(t, row.Fields(dialect.PG)[9].(sql.Scanner).Scan(nil))
		assert.Nil(t, row.Changes)
		assert.Error(t, row.Fields(dialect.PG)[9].(sql.Scanner).Scan(1))
	})
}
