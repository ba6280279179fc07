package sinktest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/sqlaudit/bun/sink"
)

// Recorder is a [sink.Sink] that keeps events in memory, for the tests of a
// service. The zero value is ready to use; it must not be copied after first
// use.
//
// It records when it is written to, which is before the transaction commits. An
// event of a change that is rolled back afterwards stays recorded.
type Recorder struct {
	mu     sync.Mutex
	events []sink.Event
	err    error
}

var _ sink.Sink = (*Recorder)(nil)

// Write records copies of the events, or none and returns an error: ctx's where
// ctx is done, else the one given to [Recorder.FailWith]. It doesn't use tx.
func (r *Recorder) Write(ctx context.Context, _ sink.Tx, events []sink.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.events = append(r.events, clone(events)...)
	return nil
}

// Events returns copies of all events, in the order in which they were written.
func (r *Recorder) Events() []sink.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return clone(r.events)
}

// ByTable returns copies of the events of one table, in the order in which they
// were written. The name is compared with [sink.Event.Table].
func (r *Recorder) ByTable(table string) []sink.Event {
	return slices.DeleteFunc(r.Events(), func(e sink.Event) bool { return e.Table != table })
}

// Reset forgets all events. It doesn't change what [Recorder.FailWith] set.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = nil
}

// FailWith makes every later Write record nothing and return err. nil makes
// Write record again.
func (r *Recorder) FailWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// clone copies events with all that they refer to.
func clone(events []sink.Event) []sink.Event {
	copies := slices.Clone(events)
	for i := range copies {
		e := &copies[i]
		e.Key, e.OldKey = cloneValues(e.Key), cloneValues(e.OldKey)
		e.Meta = maps.Clone(e.Meta)
		e.Changes = maps.Clone(e.Changes)
		for column, c := range e.Changes {
			c.Old, c.New = cloneJSON(c.Old), cloneJSON(c.New)
			e.Changes[column] = c
		}
	}
	return copies
}

func cloneValues(v sink.Values) sink.Values {
	v = maps.Clone(v)
	for column, value := range v {
		v[column] = cloneJSON(value)
	}
	return v
}

func cloneJSON(v json.RawMessage) json.RawMessage { return slices.Clone(v) }
