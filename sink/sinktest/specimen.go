package sinktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlaudit/bun/sink"
)

// event returns an ordinary event. Equal numbers make equal events.
func event(n int) sink.Event {
	return sink.Event{
		ID:      uuid(n),
		Time:    time.Date(2025, 3, 30, 1, 59, 59, 123456000, time.UTC).Add(time.Duration(n) * time.Microsecond),
		Op:      sink.Update,
		Table:   "customers",
		Model:   "Customer",
		Key:     sink.Values{"id": json.RawMessage(fmt.Sprint(n))},
		Changes: map[string]sink.Change{"name": {Old: json.RawMessage(`"Jane Doe"`), New: json.RawMessage(`"Jane Smith"`)}},
		Actor:   sink.Actor{ID: "1", Type: "user"},
		Meta:    map[string]string{"request_id": "r-1"},
		Tx:      uuid(0),
	}
}

func events(from, n int) []sink.Event {
	s := make([]sink.Event, n)
	for i := range s {
		s[i] = event(from + i)
	}
	return s
}

func uuid(n int) string { return fmt.Sprintf("0195e4a0-0000-7000-8000-%012x", n) }

// specimen is an event with a name that says what is special about it.
type specimen struct {
	name  string
	event sink.Event
}

// specimens returns one event for each thing that storage may get wrong.
func specimens() []specimen {
	var all []specimen
	add := func(name string, change func(e *sink.Event)) {
		e := event(len(all) + 1)
		change(&e)
		all = append(all, specimen{name, e})
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }

	for _, op := range []sink.Op{sink.Insert, sink.Update, sink.Delete, sink.Restore, sink.Truncate, sink.Opaque, sink.Snapshot, sink.Erase} {
		add("op "+string(op), func(e *sink.Event) { e.Op = op })
	}
	add("nothing but what is required", func(e *sink.Event) {
		*e = sink.Event{ID: e.ID, Time: e.Time, Op: sink.Insert, Table: "t", Tx: e.Tx}
	})
	add("every field", func(e *sink.Event) {
		e.Table, e.Model = "shop.invoices", "Rechnung"
		e.Key = sink.Values{"tenant": raw(`"a"`), "id": raw(`2`)}
		e.OldKey = sink.Values{"tenant": raw(`"a"`), "id": raw(`1`)}
		e.Actor = sink.Actor{ID: "42", Type: "job", Name: "Nightly", OnBehalfOf: "7"}
		e.Statement = "MERGE"
		e.Reason, e.Soft = "GDPR request 118", true
		e.TraceID, e.SpanID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	})
	add("absent values differ from null", func(e *sink.Event) {
		e.Changes = map[string]sink.Change{
			"inserted as null": {New: raw(`null`)}, "deleted as null": {Old: raw(`null`)},
			"from null": {Old: raw(`null`), New: raw(`1`)}, "to null": {Old: raw(`1`), New: raw(`null`)},
			"neither": {},
		}
	})
	add("masked columns", func(e *sink.Event) {
		hash := raw(`"hmac-sha256:` + strings.Repeat("0f", 32) + `"`)
		e.Changes = map[string]sink.Change{
			"email": {Mask: sink.Redacted}, "iban": {Old: hash, New: raw(`null`), Mask: sink.Hashed}, "name": {Mask: sink.Erased},
		}
	})
	for _, v := range []string{
		`""`, `true`, `0.10`, `9007199254740993`, `123456789012345678901234567890.123456789012345678901234567890`,
		`{}`, `[]`, `{"a":{"b":[1,null,"c"]}}`, `"it's \"\\'; DROP TABLE x; --"`, `"? ?0 ?name $1 :a %s"`, `"a\n\t\r b "`,
		`"<a href='x'>&amp;</a>"`, `"Žluťoučký кот 猫 👩‍👩‍👧 \u2028"`,
	} {
		add("value "+v, func(e *sink.Event) {
			e.Changes = map[string]sink.Change{"c": {Old: raw(v), New: raw(`[` + v + `]`)}}
			e.Key = sink.Values{"id": raw(v)}
		})
	}
	add("names of columns", func(e *sink.Event) {
		for _, name := range []string{"Name", "name", "first name", `a"b`, `a'b`, "a.b", "a?b", `a\b`, "имя", "<b>"} {
			e.Changes[name] = sink.Change{New: raw(`1`)}
			e.Key[name] = raw(`1`)
		}
	})
	for _, s := range []string{`it's "so" \ that; --`, "? ?0 ?name $1", "line\nline\ttab", "Žluťoučký кот 猫 👩‍👩‍👧", " padded ", "null", "''"} {
		add("text "+s, func(e *sink.Event) {
			e.Reason, e.Table, e.Model = s, s, s
			e.Actor = sink.Actor{ID: s, Type: s, Name: s, OnBehalfOf: s}
			e.Meta = map[string]string{s: s, "": "", "empty": ""}
		})
	}
	for _, at := range []time.Time{
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2025, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		add("time "+at.Format(time.RFC3339Nano), func(e *sink.Event) { e.Time = at })
	}
	return all
}

// same fails the test at the first event that differs. Values are compared as
// JSON values, so a sink may write them in another way.
func same(t testing.TB, want, got []sink.Event) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if w, g, found := difference(t, want[i], got[i]); found {
			t.Errorf("event %d of %d is\n%s\nand should be\n%s", i+1, len(want), g, w)
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d events are on record, and should be %d", len(got), len(want))
	}
}

// difference reports whether two events differ, and returns them as text where they do. Most are equal to the byte: those
// need no parsing.
func difference(t testing.TB, want, got sink.Event) (wantText, gotText string, found bool) {
	t.Helper()
	w, g := encoded(t, want), encoded(t, got)
	if bytes.Equal(w, g) {
		return "", "", false
	}
	wantText, gotText = normal(t, w), normal(t, g)
	return wantText, gotText, wantText != gotText
}

func encoded(t testing.TB, e sink.Event) []byte {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatalf("an event on record is no JSON: %v", err)
	}
	return text
}

// normal returns a text that is the same for equal trees of JSON.
func normal(t testing.TB, text []byte) string {
	t.Helper()
	var tree any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		t.Fatalf("an event on record is no JSON: %v", err)
	}
	normal, err := json.Marshal(tree)
	if err != nil {
		t.Fatalf("an event on record is no JSON: %v", err)
	}
	return string(normal)
}
