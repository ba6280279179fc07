package sinktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
)

func on(table string) sink.Event { return sink.Event{Table: table, Op: sink.Insert} }

func TestRecorderByTableKeepsTheOrderAndTheOtherTables(t *testing.T) {
	var rec sinktest.Recorder
	first, second := on("a"), on("a")
	first.ID, second.ID = "1", "2"
	require.NoError(t, rec.Write(t.Context(), nil, []sink.Event{first, on("b"), second}))
	assert.Equal(t, []sink.Event{first, second}, rec.ByTable("a"))
	assert.Empty(t, rec.ByTable("c"))
	assert.Len(t, rec.Events(), 3)
}

func TestRecorderHandsOutCopies(t *testing.T) {
	var rec sinktest.Recorder
	require.NoError(t, rec.Write(t.Context(), nil, []sink.Event{{
		Table: "a", Key: sink.Values{"id": json.RawMessage("1")}, Meta: map[string]string{"a": "b"},
		Changes: map[string]sink.Change{"n": {New: json.RawMessage("1")}},
	}}))
	e := rec.Events()[0]
	e.Key["id"][0], e.Changes["n"].New[0], e.Meta["a"] = '2', '2', "c"
	e = rec.ByTable("a")[0]
	assert.Equal(t, "1", string(e.Key["id"]))
	assert.Equal(t, "1", string(e.Changes["n"].New))
	assert.Equal(t, "b", e.Meta["a"])
}

func TestRecorderFailsUntilItIsToldNotTo(t *testing.T) {
	var rec sinktest.Recorder
	full := errors.New("disk full")
	rec.FailWith(full)
	rec.Reset() // doesn't repair it
	require.ErrorIs(t, rec.Write(t.Context(), nil, []sink.Event{on("a")}), full)
	assert.Empty(t, rec.Events())
	rec.FailWith(nil)
	require.NoError(t, rec.Write(t.Context(), nil, []sink.Event{on("a")}))
	assert.Len(t, rec.Events(), 1)
	rec.Reset()
	assert.Empty(t, rec.Events())
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	var rec sinktest.Recorder
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				_ = rec.Write(t.Context(), nil, []sink.Event{on("a")})
				rec.ByTable("a")
				rec.FailWith(nil)
			}
		})
	}
	wg.Wait()
	assert.Len(t, rec.Events(), 400)
	rec.Reset()
}

func TestFailing(t *testing.T) {
	full := errors.New("disk full")
	s := sinktest.Failing(full)
	for range 3 {
		assert.ErrorIs(t, s.Write(t.Context(), nil, nil), full)
	}
	assert.PanicsWithValue(t, "sinktest: a sink that fails needs an error to fail with", func() { sinktest.Failing(nil) })
}

func TestFailAfterCountsTheWritesOfAllGoroutines(t *testing.T) {
	full := errors.New("disk full")
	s := sinktest.FailAfter(10, full)
	var wg sync.WaitGroup
	results := make(chan error, 40)
	for range 40 {
		wg.Go(func() { results <- s.Write(t.Context(), nil, nil) })
	}
	wg.Wait()
	close(results)
	succeeded := 0
	for err := range results {
		if err == nil {
			succeeded++
		} else {
			assert.ErrorIs(t, err, full)
		}
	}
	assert.Equal(t, 10, succeeded)
}

// A write that never happened is not counted.
func TestFailAfterReturnsTheErrorOfAContextThatIsDone(t *testing.T) {
	s := sinktest.FailAfter(1, errors.New("disk full"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Write(ctx, nil, nil), context.Canceled)
	require.NoError(t, s.Write(t.Context(), nil, nil))
}

func TestPanicking(t *testing.T) {
	assert.PanicsWithValue(t, 42, func() { _ = sinktest.Panicking(42).Write(t.Context(), nil, nil) })
}

func TestBlockingWaitsForTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, sinktest.Blocking().Write(ctx, nil, nil), context.DeadlineExceeded)
}

func ExampleRecorder() {
	rec := new(sinktest.Recorder)
	// db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: rec})), and then what the
	// service does. Here, the sink is called directly.
	_ = rec.Write(context.Background(), nil, []sink.Event{
		{Table: "customers", Op: sink.Insert},
		{Table: "invoices", Op: sink.Insert},
		{Table: "customers", Op: sink.Update},
	})
	for _, e := range rec.ByTable("customers") {
		fmt.Println(e.Op, e.Table)
	}
	// Output:
	// insert customers
	// update customers
}

func ExampleRecorder_FailWith() {
	rec := new(sinktest.Recorder)
	rec.FailWith(errors.New("disk full"))
	fmt.Println(rec.Write(context.Background(), nil, []sink.Event{{Table: "customers"}}))
	fmt.Println(len(rec.Events()), "events")
	// Output:
	// disk full
	// 0 events
}

func ExampleFailAfter() {
	s := sinktest.FailAfter(1, errors.New("disk full"))
	fmt.Println(s.Write(context.Background(), nil, []sink.Event{{Table: "customers"}}))
	fmt.Println(s.Write(context.Background(), nil, []sink.Event{{Table: "customers"}}))
	// Output:
	// <nil>
	// disk full
}

func ExampleFailing() {
	s := sink.Tee(new(sinktest.Recorder), sinktest.Failing(errors.New("disk full")))
	fmt.Println(s.Write(context.Background(), nil, []sink.Event{{Table: "customers"}}))
	// Output: disk full
}

func ExamplePanicking() {
	defer func() { fmt.Println("recovered:", recover()) }()
	_ = sinktest.Panicking("out of luck").Write(context.Background(), nil, nil)
	// Output: recovered: out of luck
}

func ExampleBlocking() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(sinktest.Blocking().Write(ctx, nil, nil))
	// Output: context deadline exceeded
}

func ExampleRun() {
	// In a test of your own: func TestMySink(t *testing.T) { … }
	_ = func(t *testing.T) {
		sinktest.Run(t, func(t *testing.T) sinktest.Harness {
			rec := new(sinktest.Recorder)
			return sinktest.Harness{
				Sink:            rec,
				Events:          func(testing.TB) []sink.Event { return rec.Events() },
				KeepsRolledBack: true, // it is in memory
			}
		})
	}
}
