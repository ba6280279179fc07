package kafkasink_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

var update = flag.Bool("update", false, "write the golden files anew, which changes what consumers get")

func uuid(n int) string { return fmt.Sprintf("019b7cde-2a08-7000-8000-%012x", n) }

// golden are the events whose messages testdata holds.
func golden() map[string]kafkasink.Message {
	base := sink.Event{ID: uuid(1), Tx: uuid(0), Time: time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC), Op: sink.Update, Table: "customers", Model: "Customer"}
	event := func(edit func(e *sink.Event)) kafkasink.Message {
		e := base
		edit(&e)
		return kafkasink.Message{Event: e, Source: "/shop", Sequence: 42}
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	out := map[string]kafkasink.Message{
		"insert": event(func(e *sink.Event) {
			e.Op, e.Key = sink.Insert, sink.Values{"id": raw("1")}
			e.Changes = map[string]sink.Change{"name": {New: raw(`"Jane <&> \"Doe\""`)}, "score": {New: raw("12.50")}, "nick": {New: raw("null")}}
		}),
		"update": event(func(e *sink.Event) {
			e.Key, e.OldKey = sink.Values{"id": raw("2")}, sink.Values{"id": raw("1")}
			e.Changes = map[string]sink.Change{"id": {Old: raw("1"), New: raw("2")}}
			e.Actor = sink.Actor{ID: "1", Type: "user", Name: "Jörg\n\"J\"", OnBehalfOf: "7"}
			e.Reason, e.Meta = "why\u2028not", map[string]string{"request_id": "r-118"}
			e.TraceID, e.SpanID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		}),
		"delete of a composite key": event(func(e *sink.Event) {
			e.Op, e.Soft, e.Table = sink.Delete, true, "public.parts"
			e.Key = sink.Values{"tenant": raw(`"acme|1"`), "no": raw("7")}
			e.Changes = map[string]sink.Change{"email": {Mask: sink.Redacted}, "phone": {Old: raw(`"hmac-sha256:00"`), Mask: sink.Hashed}}
		}),
		"restore with a text key": event(func(e *sink.Event) {
			e.Op, e.Soft, e.Key = sink.Restore, true, sink.Values{"code": raw(`"ä b"`)}
		}),
		"truncate": event(func(e *sink.Event) { e.Op, e.Statement = sink.Truncate, "TRUNCATE" }),
	}
	direct := event(func(e *sink.Event) { e.Key = sink.Values{"id": raw("3")} })
	direct.Sequence = 0
	out["direct"] = direct
	return out
}

// form is a message as a file shows it.
func form(m kafka.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "key: %s\n", m.Key)
	for _, h := range m.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h.Key, h.Value)
	}
	fmt.Fprintf(&b, "\n%s\n", m.Value)
	return b.String()
}

// A message of a version never changes: consumers depend on it.
func TestGoldenMessages(t *testing.T) {
	t.Parallel()
	for name, m := range golden() {
		t.Run(name, func(t *testing.T) {
			got, err := kafkasink.Encode(m)
			require.NoError(t, err)
			file := filepath.Join("testdata", "v1", strings.ReplaceAll(name, " ", "_")+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(form(got)), 0o600))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), form(got))

			back, err := kafkasink.Decode(got)
			require.NoError(t, err)
			assert.Equal(t, m, back)
		})
	}
}

// The value is the JSON of the event, with a version.
func TestValueIsTheEventsJSON(t *testing.T) {
	t.Parallel()
	for name, m := range golden() {
		got, err := kafkasink.Encode(m)
		require.NoError(t, err)
		want, err := json.Marshal(struct {
			Version int `json:"v"`
			sink.Event
		}{1, m.Event})
		require.NoError(t, err)
		assert.JSONEq(t, string(want), string(got.Value), name)
	}
}

// The key is the same from every database, whatever order it keeps members in.
func TestKeyOfARowIsTheSameFromEveryDatabase(t *testing.T) {
	t.Parallel()
	e := golden()["delete of a composite key"]
	want, err := kafkasink.Encode(e)
	require.NoError(t, err)
	assert.Equal(t, `public.parts|[7,"acme|1"]`, string(want.Key))
	e.Event.Op = sink.Insert
	e.Event.Key = sink.Values{"no": json.RawMessage(" 7 "), "tenant": json.RawMessage(`"acme|1"`)}
	got, err := kafkasink.Encode(e)
	require.NoError(t, err)
	assert.Equal(t, string(want.Key), string(got.Key))
}

func TestWhatIsNoEventIsToldApart(t *testing.T) {
	t.Parallel()
	good, err := kafkasink.Encode(golden()["insert"])
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		edit func(m *kafka.Message)
		want error
	}{
		"a tombstone":       {func(m *kafka.Message) { m.Value = nil }, kafkasink.ErrNotAnEvent},
		"no JSON":           {func(m *kafka.Message) { m.Value = []byte("secret") }, kafkasink.ErrNotAnEvent},
		"another's":         {func(m *kafka.Message) { m.Value = []byte(`{"secret":1}`) }, kafkasink.ErrNotAnEvent},
		"of another form":   {func(m *kafka.Message) { m.Value = []byte(`{"v":1,"key":["secret"]}`) }, kafkasink.ErrNotAnEvent},
		"without an id":     {func(m *kafka.Message) { m.Value = bytes.Replace(m.Value, []byte(`"id"`), []byte(`"di"`), 1) }, kafkasink.ErrNotAnEvent},
		"a newer one":       {func(m *kafka.Message) { m.Value = bytes.Replace(m.Value, []byte(`"v":1`), []byte(`"v":2`), 1) }, kafkasink.ErrVersion},
		"with a bad number": {func(m *kafka.Message) { m.Headers = []kafka.Header{{Key: "ce_sequence", Value: []byte("secret")}} }, kafkasink.ErrNotAnEvent},
	} {
		m := good
		tt.edit(&m)
		_, err := kafkasink.Decode(m)
		require.ErrorIs(t, err, tt.want, name)
		assert.NotContains(t, err.Error(), "secret", name)
	}
	more := good
	more.Value = bytes.Replace(more.Value, []byte(`"v":1`), []byte(`"v":1,"added":{"later":[]}`), 1)
	more.Headers = append(more.Headers, kafka.Header{Key: "added", Value: []byte("later")})
	got, err := kafkasink.Decode(more)
	require.NoError(t, err, "what was added later is ignored")
	assert.Equal(t, golden()["insert"], got)
}

func TestEventThatCantBeEncodedIsAnError(t *testing.T) {
	t.Parallel()
	m := golden()["insert"]
	m.Event.Changes = map[string]sink.Change{"a": {New: json.RawMessage("secret")}}
	_, err := kafkasink.Encode(m)
	require.ErrorContains(t, err, "kafkasink: encode event: encode changes")
	assert.NotContains(t, err.Error(), "secret")
}

// FuzzRoundTrip: every event that the outbox can hold is the same after Encode
// and Decode, and the value is JSON for everyone.
func FuzzRoundTrip(f *testing.F) {
	f.Add("customers", "id", `1`, "name", `"Jane"`, "reason", "meta", int64(1767323045123456), int64(1), uint8(0))
	f.Add("a.b", `"`, `"a,b"`, "", `{"x":[1,"}"]}`, "x\x00\xffy\u2028", "\\", int64(-1), int64(1<<62), uint8(7))
	f.Add("t", "k", `{"a":1}`, "имя", `null`, "<>&\t\x1f\x7f", "", int64(0), int64(0), uint8(255))
	f.Fuzz(func(t *testing.T, table, keyColumn, keyValue, column, value, text, metaKey string, micros, seq int64, flags uint8) {
		keyColumn, column = strings.ToValidUTF8(keyColumn, ""), strings.ToValidUTF8(column, "")
		e := sink.Event{ID: uuid(1), Tx: uuid(2), Op: sink.Update, Table: table, Model: text, Time: time.UnixMicro(micros).UTC(),
			Key:     sink.Values{keyColumn: json.RawMessage(keyValue)},
			Changes: map[string]sink.Change{column: {New: json.RawMessage(value)}},
			Reason:  text, Actor: sink.Actor{ID: text, Name: metaKey}, Meta: map[string]string{metaKey: text}, Soft: flags&1 != 0}
		if flags&2 != 0 {
			e.Key["another"] = json.RawMessage(value)
		}
		if flags&4 != 0 {
			e.OldKey, e.Actor = e.Key, sink.Actor{OnBehalfOf: text, Type: metaKey}
		}
		if seq < 0 {
			seq = 0
		}
		row, err := eventrow.FromEvent(&e)
		if err != nil {
			return
		}
		want, err := row.ToEvent()
		require.NoError(t, err)
		m, err := kafkasink.Encode(kafkasink.Message{Event: e, Source: "s", Sequence: seq})
		require.NoError(t, err)
		require.True(t, json.Valid(m.Value))
		require.NotEmpty(t, m.Key)
		got, err := kafkasink.Decode(m)
		require.NoError(t, err)
		assert.Equal(t, kafkasink.Message{Event: want, Source: "s", Sequence: seq}, got)
	})
}
