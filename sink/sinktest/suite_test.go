package sinktest_test

import (
	"context"
	"testing"

	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
)

// inMemory is the harness of a sink whose events end up in rec.
func inMemory(s sink.Sink, rec *sinktest.Recorder) sinktest.Harness {
	return sinktest.Harness{
		Sink:            s,
		Events:          func(testing.TB) []sink.Event { return rec.Events() },
		KeepsRolledBack: true,
	}
}

func TestRecorderConforms(t *testing.T) {
	sinktest.Run(t, func(*testing.T) sinktest.Harness {
		rec := new(sinktest.Recorder)
		return inMemory(rec, rec)
	})
}

func TestFuncConforms(t *testing.T) {
	sinktest.Run(t, func(*testing.T) sinktest.Harness {
		rec := new(sinktest.Recorder)
		return inMemory(sink.Func(rec.Write), rec)
	})
}

func TestDiscardConforms(t *testing.T) {
	sinktest.Run(t, func(*testing.T) sinktest.Harness { return sinktest.Harness{Sink: sink.Discard{}} })
}

func TestTeeConforms(t *testing.T) {
	for name, tee := range map[string]func(*sinktest.Recorder) sink.Sink{
		"of one":                  func(rec *sinktest.Recorder) sink.Sink { return sink.Tee(rec) },
		"of several, seen first":  func(rec *sinktest.Recorder) sink.Sink { return sink.Tee(rec, new(sinktest.Recorder), sink.Discard{}) },
		"of several, seen second": func(rec *sinktest.Recorder) sink.Sink { return sink.Tee(new(sinktest.Recorder), rec) },
		"of tees":                 func(rec *sinktest.Recorder) sink.Sink { return sink.Tee(sink.Tee(), sink.Tee(rec, sink.Tee())) },
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(*testing.T) sinktest.Harness {
				rec := new(sinktest.Recorder)
				return inMemory(tee(rec), rec)
			})
		})
	}
	t.Run("of none", func(t *testing.T) {
		sinktest.Run(t, func(*testing.T) sinktest.Harness { return sinktest.Harness{Sink: sink.Tee()} })
	})
}

// A sink that is given the harness's empty transaction and uses it gets an
// error and no panic, from each of the three methods.
func TestSinkThatUsesATransactionWhichTheHarnessHasNot(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Harness {
		return sinktest.Harness{Sink: sink.Func(func(ctx context.Context, tx sink.Tx, _ []sink.Event) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "SELECT 1"); err == nil {
				t.Error("exec succeeded")
			}
			if rows, err := tx.QueryContext(ctx, "SELECT 1"); err == nil {
				_ = rows.Close()
				t.Error("query succeeded")
			}
			if tx.QueryRowContext(ctx, "SELECT 1").Scan(new(int)) == nil {
				t.Error("query of a row succeeded")
			}
			return nil
		})}
	})
}
