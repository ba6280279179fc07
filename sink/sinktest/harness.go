package sinktest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"

	"github.com/sqlaudit/bun/sink"
)

// Harness connects [Run] to the sink that is tested.
type Harness struct {
	// Sink is the sink, with nothing recorded yet. Required.
	Sink sink.Sink

	// Begin starts a transaction on the database that the sink writes to. nil
	// means that the sink makes no use of transactions; it is then given one
	// whose statements all fail.
	//
	// The implementation puts wrap around its transaction and builds on the
	// result what it hands over, so that Run sees the statements:
	//
	//	tx, err := db.BeginTx(t.Context(), nil)
	//	return sinktest.Tx{Tx: myTx{wrap(tx)}, Commit: tx.Commit, Rollback: tx.Rollback}
	Begin func(t testing.TB, wrap func(sink.Tx) sink.Tx) Tx

	// Events returns what is on record, in the order in which it was recorded,
	// from outside any transaction. nil skips every scenario that has to look.
	Events func(t testing.TB) []sink.Event

	// KeepsRolledBack says that events stay on record where the transaction
	// rolls back after Write has succeeded. It skips the scenario that tests
	// for it. The zero value is what a sink should do.
	KeepsRolledBack bool

	// KeepsFailed says that some events may stay on record where Write failed
	// and the transaction is committed nevertheless, as with [sink.Tee], which
	// leaves it to the caller to roll back. It skips the scenarios that test for
	// it. The zero value is what a sink should do.
	KeepsFailed bool
}

// Tx is a transaction that [Run] ends itself. Both functions are required.
type Tx struct {
	sink.Tx
	Commit   func() error
	Rollback func() error
}

// errFault is what a statement returns that the suite has let fail.
var errFault = errors.New("sinktest: this statement was made to fail")

// watch counts the statements of one transaction, lets one of them fail, and
// notices the ones that come after Write has returned.
type watch struct {
	t      testing.TB
	broken *sql.DB // every statement on it fails

	mu     sync.Mutex
	calls  int
	failAt int // the number of the call that fails, from 1; 0 is none
	over   bool
	late   int
}

// newWatch reports statements that came too late when t ends: one may come from
// a goroutine that outlives everything else.
func newWatch(t testing.TB, failAt int) *watch {
	w := &watch{t: t, broken: sql.OpenDB(brokenConnector{}), failAt: failAt}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		_ = w.broken.Close()
		if w.late > 0 {
			t.Errorf("the sink used the transaction %d times after Write had returned", w.late)
		}
	})
	return w
}

// next reports whether the statement that is about to run must fail.
func (w *watch) next() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		w.late++
	}
	w.calls++
	return w.calls == w.failAt
}

// end marks that Write has returned, and reports whether the fault was hit.
func (w *watch) end() (hit bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	return w.failAt > 0 && w.calls >= w.failAt
}

func (w *watch) wrap(tx sink.Tx) sink.Tx { return watchedTx{tx, w} }

type watchedTx struct {
	sink.Tx
	watch *watch
}

// on returns where the next statement runs.
func (tx watchedTx) on() sink.Tx {
	if tx.watch.next() {
		return tx.watch.broken
	}
	return tx.Tx
}

func (tx watchedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return tx.on().ExecContext(ctx, query, args...)
}

func (tx watchedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return tx.on().QueryContext(ctx, query, args...)
}

func (tx watchedTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return tx.on().QueryRowContext(ctx, query, args...)
}

// begin starts a transaction under w, or stands in for one.
func (h Harness) begin(w *watch) Tx {
	if h.Begin != nil {
		return h.Begin(w.t, w.wrap)
	}
	nothing := func() error { return nil }
	return Tx{Tx: w.wrap(w.broken), Commit: nothing, Rollback: nothing}
}

// brokenConnector makes a database without a connection: a way to get errors
// out of all methods of a Tx, also out of the *sql.Row that can't be made by
// hand.
type brokenConnector struct{}

func (brokenConnector) Connect(context.Context) (driver.Conn, error) { return nil, errFault }
func (brokenConnector) Driver() driver.Driver                        { return nil }
