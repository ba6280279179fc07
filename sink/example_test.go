package sink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
)

// A sink of a function, here one that logs.
func ExampleFunc() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // so that the example's output stays the same
			}
			return a
		},
	}))
	var logging sink.Sink = sink.Func(func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, e := range events {
			log.InfoContext(ctx, "row changed", "op", e.Op, "table", e.Table, "actor", e.Actor.ID)
		}
		return nil
	})

	_ = logging.Write(context.Background(), nil, []sink.Event{
		{Op: sink.Update, Table: "customers", Actor: sink.Actor{ID: "1"}},
	})
	// Output: level=INFO msg="row changed" op=update table=customers actor=1
}

// Two sinks, both of which must take the events.
func ExampleTee() {
	first, second := new(sinktest.Recorder), new(sinktest.Recorder)
	both := sink.Tee(first, second)

	err := both.Write(context.Background(), nil, []sink.Event{{Op: sink.Insert, Table: "customers"}})
	fmt.Println(len(first.Events()), len(second.Events()), err)

	// An error of one is the error of both, and undoes the change.
	second.FailWith(errors.New("disk full"))
	fmt.Println(both.Write(context.Background(), nil, []sink.Event{{Op: sink.Insert, Table: "customers"}}))
	// Output:
	// 1 1 <nil>
	// disk full
}

// A program that needs the hook's checks and no record.
func ExampleDiscard() {
	fmt.Println(sink.Discard{}.Write(context.Background(), nil, []sink.Event{{Op: sink.Insert, Table: "customers"}}))
	// Output: <nil>
}
