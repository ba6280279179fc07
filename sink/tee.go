package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/sqlaudit/bun/internal/isnil"
)

// Tee returns a sink that hands every event to each of the sinks, in the order
// given, within one transaction. Every sink is called even where an earlier one
// failed; their errors are joined, and any error undoes the change for all.
// With no sink it does what [Discard] does; with one it is that sink. It panics
// where one of several is nil.
func Tee(sinks ...Sink) Sink {
	switch len(sinks) {
	case 0:
		return Discard{}
	case 1:
		return sinks[0]
	}
	for i, s := range sinks {
		if isnil.Of(s) {
			panic(fmt.Sprintf("sink: Tee was given %d sinks, of which number %d is nil: leave it out", len(sinks), i+1))
		}
	}
	return tee(append([]Sink(nil), sinks...))
}

type tee []Sink

func (t tee) Write(ctx context.Context, tx Tx, events []Event) error {
	var errs []error
	for _, s := range t {
		if err := s.Write(ctx, tx, events); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Check checks every sink that can be checked, see [Checker].
func (t tee) Check(ctx context.Context, tx Tx) error {
	var errs []error
	for _, s := range t {
		if c, ok := s.(Checker); ok {
			errs = append(errs, c.Check(ctx, tx))
		}
	}
	return errors.Join(errs...)
}

// EventTables returns the tables of all sinks, or none where one of them needs
// its Write called.
func (t tee) EventTables() []Table {
	var tables []Table
	for _, s := range t {
		tabled, ok := s.(Tabled)
		if !ok {
			return nil
		}
		own := tabled.EventTables()
		if len(own) == 0 {
			return nil
		}
		tables = append(tables, own...)
	}
	return tables
}

// Explain returns what the first sink says whose tables err is about.
func (t tee) Explain(err error) error {
	for _, s := range t {
		if tabled, ok := s.(Tabled); ok {
			if explained := tabled.Explain(err); explained != nil {
				return explained
			}
		}
	}
	return nil
}

// Committed tells every sink that listens.
func (t tee) Committed(ctx context.Context) {
	for _, s := range t {
		if l, ok := s.(CommitListener); ok {
			l.Committed(ctx)
		}
	}
}
