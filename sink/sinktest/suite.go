package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlaudit/bun/sink"
)

// Run tests a sink against the contract of [sink.Sink], in a subtest for each
// scenario. newHarness is called once for each and gives it a sink with nothing
// on record; it cleans up with t.Cleanup.
//
// The events have what the contract promises: UUIDs as ID and Tx, UTC times
// with microseconds, values that are JSON.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	for _, s := range []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"order is kept within a write and between writes", testOrder},
		{"every field comes back as it went in", testFields},
		{"an empty write records nothing", testEmpty},
		{"large writes are complete", testLarge},
		{"events are neither kept nor changed", testOwnership},
		{"writers at the same time lose nothing", testConcurrency},
		{"a context that is done records nothing", testContext},
		{"a rollback takes the events with it", testRollback},
		{"a failed write leaves no event behind", testFault},
		{"a check finds a sink that works and records nothing", testCheck},
	} {
		t.Run(s.name, func(t *testing.T) {
			h := newHarness(t)
			if h.Sink == nil {
				t.Fatal("Harness.Sink is nil")
			}
			s.run(t, h)
		})
	}
}

// write writes each of the batches in one transaction and commits it.
func (h Harness) write(t testing.TB, batches ...[]sink.Event) {
	t.Helper()
	w := newWatch(t, 0)
	tx := h.begin(w)
	for _, b := range batches {
		if err := h.Sink.Write(t.Context(), tx.Tx, b); err != nil {
			_ = tx.Rollback()
			t.Errorf("write of %d events: %v", len(b), err)
			return
		}
	}
	w.end()
	if err := tx.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
}

// expect compares what is on record with want, where that can be seen.
func (h Harness) expect(t testing.TB, want []sink.Event) {
	t.Helper()
	if h.Events != nil {
		same(t, want, h.Events(t))
	}
}

func testOrder(t *testing.T, h Harness) {
	h.write(t, events(1, 5), events(6, 1))
	h.write(t, events(7, 3))
	h.expect(t, events(1, 9))
}

func testFields(t *testing.T, h Harness) {
	var want []sink.Event
	for _, s := range specimens() {
		want = append(want, s.event)
		h.write(t, want[len(want)-1:])
	}
	if h.Events == nil {
		return
	}
	got := h.Events(t)
	if len(got) != len(want) {
		t.Fatalf("%d events are on record, and should be %d", len(got), len(want))
	}
	for i, s := range specimens() {
		t.Run(s.name, func(t *testing.T) { same(t, want[i:i+1], got[i:i+1]) })
	}
}

func testEmpty(t *testing.T, h Harness) {
	h.write(t, nil, []sink.Event{})
	h.expect(t, nil)
	h.write(t, events(1, 1))
	h.expect(t, events(1, 1))
}

func testLarge(t *testing.T, h Harness) {
	many := events(1, 1500)
	h.write(t, many)
	big := event(1501)
	big.Changes["name"] = sink.Change{New: json.RawMessage(`"` + strings.Repeat("x", 700_000) + `"`)}
	h.write(t, []sink.Event{big, event(1502)})
	h.expect(t, append(many, big, event(1502)))
}

func testOwnership(t *testing.T, h Harness) {
	var given []sink.Event
	for _, s := range specimens() {
		given = append(given, s.event)
	}
	want := clone(given)
	h.write(t, given)
	same(t, want, given) // not changed

	// The caller may use everything again at once.
	for i := range given {
		for _, values := range []sink.Values{given[i].Key, given[i].OldKey} {
			for column, v := range values {
				scribble(v)
				delete(values, column)
			}
		}
		for column, c := range given[i].Changes {
			scribble(c.Old)
			scribble(c.New)
			delete(given[i].Changes, column)
		}
		clear(given[i].Meta)
		given[i] = sink.Event{}
	}
	h.expect(t, want)
}

func scribble(b []byte) {
	for i := range b {
		b[i] = '9'
	}
}

func testConcurrency(t *testing.T, h Harness) {
	const writers, writes, each = 8, 6, 3
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for i := range writes {
				h.write(t, events(1000*(n+1)+i*each, each))
			}
		})
	}
	wg.Wait()
	if h.Events == nil {
		return
	}
	// Each writer's events are in order; how they are mixed is not said.
	got := map[byte][]sink.Event{}
	for _, e := range h.Events(t) {
		n := writerOf(e)
		got[n] = append(got[n], e)
	}
	for n := range writers {
		want := events(1000*(n+1), writes*each)
		same(t, want, got[writerOf(want[0])])
	}
}

// writerOf returns the first digit of a number from 1000 to 9999.
func writerOf(e sink.Event) byte {
	if id := e.Key["id"]; len(id) == 4 {
		return id[0]
	}
	return 0
}

func testContext(t *testing.T, h Harness) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancelExpired := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer cancelExpired()
	for want, ctx := range map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: expired} {
		w := newWatch(t, 0)
		tx := h.begin(w)
		err := h.Sink.Write(ctx, tx.Tx, events(1, 3))
		w.end()
		switch {
		case err == nil && h.Events == nil: // keeps nothing, as far as one can see
		case !errors.Is(err, want):
			t.Errorf("write with a context that is done returned %v, and should return %v", err, want)
		}
		_ = tx.Commit() // what is there now would stay
	}
	h.expect(t, nil)
}

func testRollback(t *testing.T, h Harness) {
	switch {
	case h.KeepsRolledBack:
		t.Skip("the sink keeps the events of changes that were rolled back")
	case h.Begin == nil || h.Events == nil:
		t.Skip("the harness has no transactions, or doesn't show the events")
	}
	w := newWatch(t, 0)
	tx := h.begin(w)
	if err := h.Sink.Write(t.Context(), tx.Tx, events(1, 3)); err != nil {
		t.Errorf("write: %v", err)
	}
	w.end()
	if err := tx.Rollback(); err != nil {
		t.Errorf("roll back: %v", err)
	}
	h.expect(t, nil)
	h.write(t, events(4, 1))
	h.expect(t, events(4, 1))
}

// testFault lets each statement of a long write fail in turn, and commits.
func testFault(t *testing.T, h Harness) {
	if h.KeepsFailed {
		t.Skip("the sink may keep some events of a write that failed")
	}
	const enough = 20 // a sink with a statement for each event is not followed to its end
	for failAt := 1; ; failAt++ {
		w := newWatch(t, failAt)
		tx := h.begin(w)
		err := h.Sink.Write(t.Context(), tx.Tx, events(1, 1200))
		hit := w.end()
		commitErr := tx.Commit()
		switch {
		case err != nil && !hit:
			t.Fatalf("write: %v", err)
		case err != nil:
			if !errors.Is(err, errFault) {
				t.Errorf("write returned %q, which hides its cause from errors.Is", err)
			}
			h.expect(t, nil)
		case commitErr != nil:
			t.Fatalf("commit after write had succeeded: %v", commitErr)
		default: // the sink used fewer statements, or went on without that one
			h.expect(t, events(1, 1200))
			return
		}
		if t.Failed() || failAt == enough {
			return
		}
	}
}

func testCheck(t *testing.T, h Harness) {
	c, ok := h.Sink.(sink.Checker)
	if !ok {
		t.Skip("the sink has no Check")
	}
	w := newWatch(t, 0)
	tx := h.begin(w)
	if err := c.Check(t.Context(), tx.Tx); err != nil {
		t.Errorf("check: %v", err)
	}
	w.end()
	if err := tx.Commit(); err != nil {
		t.Errorf("commit after a check: %v", err)
	}
	h.expect(t, nil)
}
