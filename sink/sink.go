package sink

import (
	"context"
	"database/sql"
)

// Sink takes the events of audited statements.
//
// # Order and atomicity
//
// Write is called once for each statement that changed a row, after the
// statement and before its transaction commits, with all events of the
// statement in the order in which the database reported the rows. When Write
// returns nil the events must be as durable as tx: a sink that writes through
// tx gets this for free. When Write returns an error, or panics, the change is
// undone and the caller of the statement gets the error (unless the hook was
// told to degrade), so a sink must not have recorded the events in that case.
// When Write has returned nil the transaction may still roll back; a sink that
// doesn't write through tx must say what it does about that.
//
// # Concurrency
//
// Write is called from many goroutines at once, with different transactions. It
// must not start goroutines that use tx, and must not use tx after it returned:
// the connection behind it belongs to the statement.
//
// # Ownership
//
// The events belong to the caller. A sink that keeps one, or any slice or map
// in it, copies it first. It must not change them: other sinks see the same
// events.
//
// # Errors
//
// A sink names itself and what failed, and leaves the cause to errors.Is and
// errors.As. Values of rows have no place in an error's text. Where ctx is done
// Write returns without having recorded anything.
type Sink interface {
	Write(ctx context.Context, tx Tx, events []Event) error
}

// Tx is the transaction in which an audited statement runs. Its methods are
// those of [*sql.Tx], which implements it.
//
// The Tx that package bunaudit hands to a sink also has a method
// DB() *bun.DB, for sinks that build their statements with Bun.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Func is a [Sink] made of a function.
type Func func(ctx context.Context, tx Tx, events []Event) error

// Write calls f.
func (f Func) Write(ctx context.Context, tx Tx, events []Event) error {
	return f(ctx, tx, events)
}

// Discard is a [Sink] that takes every event and keeps none. It is for
// programs that need the hook's checks but no record, such as some tests.
type Discard struct{}

// Write does nothing.
func (Discard) Write(context.Context, Tx, []Event) error { return nil }
