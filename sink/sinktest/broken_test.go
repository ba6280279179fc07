package sinktest_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
)

// brokenEnv makes this test binary run the suite against sinks that fail it.
const brokenEnv = "SINKTEST_BROKEN"

// store is what the broken sinks write to. It copies nothing.
type store struct {
	mu     sync.Mutex
	events []sink.Event
}

func (s *store) add(events ...sink.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
}

func (s *store) all() []sink.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

type writeFunc = func(context.Context, sink.Tx, []sink.Event) error

// brokenSinks break the contract in one way each, and name the scenario that
// must find it.
func brokenSinks() map[string]struct {
	scenario string
	write    func(*store) writeFunc
} {
	copied := func(e sink.Event) sink.Event {
		var rec sinktest.Recorder
		_ = rec.Write(context.Background(), nil, []sink.Event{e})
		return rec.Events()[0]
	}
	// each stores a changed copy of every event.
	each := func(change func(*sink.Event)) func(*store) writeFunc {
		return func(s *store) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				copies := []sink.Event{}
				for _, e := range events {
					e = copied(e)
					change(&e)
					copies = append(copies, e)
				}
				s.add(copies...)
				return nil
			}
		}
	}
	type broken = struct {
		scenario string
		write    func(*store) writeFunc
	}
	return map[string]broken{
		"works":           {"", each(func(*sink.Event) {})},
		"drops the time":  {"every_field_comes_back_as_it_went_in", each(func(e *sink.Event) { e.Time = e.Time.Truncate(1e6) })},
		"drops on behalf": {"every_field_comes_back_as_it_went_in", each(func(e *sink.Event) { e.Actor.OnBehalfOf = "" })},
		"takes null for absent": {"every_field_comes_back_as_it_went_in", each(func(e *sink.Event) {
			for column, c := range e.Changes {
				if string(c.Old) == "null" {
					c.Old = nil
					e.Changes[column] = c
				}
			}
		})},
		"takes absent for null": {"every_field_comes_back_as_it_went_in", each(func(e *sink.Event) {
			for column, c := range e.Changes {
				if c.New == nil {
					c.New = json.RawMessage("null")
					e.Changes[column] = c
				}
			}
		})},
		"reverses a write": {"order_is_kept_within_a_write_and_between_writes", func(s *store) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				for _, e := range slices.Backward(events) {
					s.add(copied(e))
				}
				return nil
			}
		}},
		"cuts a large write": {"large_writes_are_complete", func(s *store) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				for _, e := range events[:min(len(events), 1000)] {
					s.add(copied(e))
				}
				return nil
			}
		}},
		"keeps the caller's events": {"events_are_neither_kept_nor_changed", func(s *store) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				s.add(events...)
				return nil
			}
		}},
		"changes the caller's events": {"events_are_neither_kept_nor_changed", func(s *store) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				for i := range events {
					s.add(copied(events[i]))
					events[i].Reason = "seen"
				}
				return nil
			}
		}},
		"ignores the context": {"a_context_that_is_done_records_nothing", func(s *store) writeFunc {
			return func(_ context.Context, _ sink.Tx, events []sink.Event) error {
				for _, e := range events {
					s.add(copied(e))
				}
				return nil
			}
		}},
		"reports the context and records": {"a_context_that_is_done_records_nothing", func(s *store) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				for _, e := range events {
					s.add(copied(e))
				}
				return ctx.Err()
			}
		}},
		"loses events of concurrent writers": {"writers_at_the_same_time_lose_nothing", func(s *store) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				all := s.all()
				time.Sleep(2 * time.Millisecond) // the others read the same
				for _, e := range events {
					all = append(all, copied(e))
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				s.events = all
				return nil
			}
		}},
	}
}

// The suite is worth something only where it fails. It runs here against sinks
// that break the contract, in a process of its own.
func TestSuiteFindsBrokenSinks(t *testing.T) {
	if os.Getenv(brokenEnv) != "" {
		for name, tt := range brokenSinks() {
			t.Run(name, func(t *testing.T) {
				sinktest.Run(t, func(*testing.T) sinktest.Harness {
					s := new(store)
					return sinktest.Harness{
						Sink:            sink.Func(tt.write(s)),
						Events:          func(testing.TB) []sink.Event { return s.all() },
						KeepsRolledBack: true,
					}
				})
			})
		}
		for name, tt := range brokenTableSinks() {
			t.Run(name, func(t *testing.T) {
				sinktest.Run(t, func(t *testing.T) sinktest.Harness { return tableHarness(t, tt.write) })
			})
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteFindsBrokenSinks$", "-test.v")
	cmd.Env = append(os.Environ(), brokenEnv+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.NotContains(t, string(out), "panic:")
	scenarios := map[string]string{}
	for name, tt := range brokenSinks() {
		scenarios[name] = tt.scenario
	}
	for name, tt := range brokenTableSinks() {
		scenarios[name] = tt.scenario
	}
	for name, scenario := range scenarios {
		want := "--- FAIL: TestSuiteFindsBrokenSinks/" + underscored(name) + "/" + scenario + " "
		if scenario == "" {
			want = "--- PASS: TestSuiteFindsBrokenSinks/" + underscored(name) + " "
		}
		assert.True(t, strings.Contains(string(out), want), "the output lacks %q", want)
	}
}

// tableHarness runs a sink of one column of JSON on an SQLite table.
func tableHarness(t *testing.T, write func(*testdb.DB) writeFunc) sinktest.Harness {
	db := testdb.New(t, testdb.SQLite)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE e (n INTEGER PRIMARY KEY, event TEXT)")
	require.NoError(t, err)
	return sinktest.Harness{
		Sink: sink.Func(write(db)),
		Begin: func(t testing.TB, wrap func(sink.Tx) sink.Tx) sinktest.Tx {
			tx, err := db.DB.DB.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			return sinktest.Tx{Tx: wrap(tx), Commit: tx.Commit, Rollback: tx.Rollback}
		},
		Events: func(t testing.TB) []sink.Event {
			var texts []string
			require.NoError(t, db.NewRaw("SELECT event FROM e ORDER BY n").Scan(t.Context(), &texts))
			events := make([]sink.Event, len(texts))
			for i, text := range texts {
				require.NoError(t, json.Unmarshal([]byte(text), &events[i]))
			}
			return events
		},
	}
}
