package sinktest

import (
	"context"
	"sync/atomic"

	"github.com/sqlaudit/bun/sink"
)

// Failing returns a sink that takes no event and always returns err. It panics
// where err is nil.
func Failing(err error) sink.Sink { return FailAfter(0, err) }

// FailAfter returns a sink whose first n writes succeed, keeping nothing, and
// whose later ones return err. Writes are counted, not events. It panics where
// err is nil.
func FailAfter(n int, err error) sink.Sink {
	if err == nil {
		panic("sinktest: a sink that fails needs an error to fail with")
	}
	return &failAfter{n: int64(n), err: err}
}

type failAfter struct {
	n      int64
	err    error
	writes atomic.Int64
}

func (f *failAfter) Write(ctx context.Context, _ sink.Tx, _ []sink.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.writes.Add(1) > f.n {
		return f.err
	}
	return nil
}

// Panicking returns a sink that takes no event and always panics with v.
func Panicking(v any) sink.Sink {
	return sink.Func(func(context.Context, sink.Tx, []sink.Event) error { panic(v) })
}

// Blocking returns a sink that takes no event: it waits until the context is
// done and returns the context's error. Where the context is never done it
// blocks for ever.
func Blocking() sink.Sink {
	return sink.Func(func(ctx context.Context, _ sink.Tx, _ []sink.Event) error {
		<-ctx.Done()
		return ctx.Err()
	})
}
