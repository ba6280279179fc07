package bunaudit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/bunconn"
	"github.com/sqlaudit/bun/internal/replay"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// recorder is the connection that an audited statement runs on. It stands in
// for the query's own connection for one execution: it runs the statement so
// that the rows' images can be had, writes the events, and gives Bun the result
// that it would have got.
type recorder struct {
	hook     *Hook
	registry *registry
	query    bunconn.Query
	db       *bun.DB
	conn     bun.IConn // the query's own
	plan     *plan
	plans    []*plan // of an opaque statement: of all audited tables it may write to
	stmt     sqltext.Statement
	text     string
	opaque   *UncapturableError // why it is let through unrecorded, or nil
}

// ExecContext runs the statement for its effect.
func (r *recorder) ExecContext(ctx context.Context, _ string, _ ...any) (sql.Result, error) {
	out, err := r.run(ctx, false)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// QueryContext runs the statement for the rows of its RETURNING clause.
func (r *recorder) QueryContext(ctx context.Context, _ string, _ ...any) (*sql.Rows, error) {
	out, err := r.run(ctx, true)
	if err != nil {
		return nil, err
	}
	if r.opaque == nil && r.stmt.Returning.Empty() {
		out.returned = &replay.Result{} // it has no rows, though the audit's part of it has
	}
	// What is committed is delivered, also where ctx has ended meanwhile.
	return r.hook.player.Play(context.WithoutCancel(ctx), out.returned)
}

// QueryRowContext is not called by Bun for a write.
func (r *recorder) QueryRowContext(ctx context.Context, _ string, _ ...any) *sql.Row {
	bunconn.Set(r.query, r.conn)
	return r.db.DB.QueryRowContext(refusal{ctx, r.refused("it was run for a single row")}, "")
}

// run executes and records the statement, in one unit.
func (r *recorder) run(ctx context.Context, wantRows bool) (*outcome, error) {
	// The query goes back to how it was found: it may be run again.
	bunconn.Set(r.query, r.conn)

	out, err := r.runInUnit(ctx, wantRows)
	switch {
	case err != nil && isRefusal(err):
		r.count(ctx, wasRefused, 0)
	case err != nil:
		r.count(ctx, wasFailed, 0)
	case out.gap != nil: // only now is it certain, and the connection free
		r.count(ctx, wasDegraded, 0)
		r.hook.cfg.OnFailure.report(ctx, out.gap)
	case out.opaque != nil:
		r.count(ctx, wasOpaque, out.events)
		r.hook.warn(ctx, out.opaque)
	default:
		r.count(ctx, wasCaptured, out.events)
	}
	if err == nil && out.events > 0 && r.onPool() {
		r.hook.committed(ctx) // no COMMIT is sent where one statement does it all
	}
	return out, err
}

// onPool reports whether the statement is a transaction of its own.
func (r *recorder) onPool() bool {
	switch r.conn.(type) {
	case nil, *sql.DB:
		return true
	}
	return false
}

func (r *recorder) count(ctx context.Context, what result, events int) {
	r.hook.counts.count(ctx, r.plan.name, what, events)
}

func (r *recorder) runInUnit(ctx context.Context, wantRows bool) (*outcome, error) {
	actor, err := r.hook.actorOf(ctx)
	if err != nil {
		return nil, r.notRecorded("", err)
	}
	out, reason, err := r.runInline(ctx, actor, wantRows)
	if reason == "" {
		return out, err
	}
	r.hook.counts.separate(reason)
	u, err := r.hook.begin(ctx, r.db, r.conn, r.registry.dialect)
	if err != nil {
		return nil, err
	}
	done := false
	defer func() {
		if !done { // a driver or a callback panics
			u.rollback(ctx)
		}
	}()
	out, err = r.execute(ctx, u, actor, wantRows)
	done = true
	var own *statementError
	switch {
	case isRefusal(err): // found out before anything was changed
		u.withdraw(ctx)
		return nil, err
	case errors.As(err, &own):
		u.fail(ctx, own.err)
		return nil, own.err
	case err != nil:
		u.rollback(ctx)
		return nil, err
	}
	if err := u.commit(ctx); err != nil {
		return nil, err
	}
	return out, nil
}

// execute runs the statement and writes its events.
func (r *recorder) execute(ctx context.Context, u *unit, actor sink.Actor, wantRows bool) (*outcome, error) {
	c := &capture{recorder: r, unit: u, wantRows: wantRows}
	out, err := c.captureOr(ctx)
	if err != nil || out.gap != nil {
		return out, err
	}
	events := r.events(ctx, u, actor, c.columns, out)
	if len(events) == 0 {
		return out, nil
	}
	out.events = len(events)
	write := func() error { return r.write(ctx, u, events) }
	if !r.hook.cfg.OnFailure.degrades() {
		if err := write(); err != nil {
			return nil, r.notRecorded(events[0].Op, err)
		}
		return out, nil
	}
	if err := u.try(ctx, write); err != nil {
		out.gap, out.events = r.notRecorded(events[0].Op, err), 0
	}
	return out, nil
}

// write hands the events to the sink. A sink that panics has failed.
func (r *recorder) write(ctx context.Context, u *unit, events []sink.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.hook.cfg.Log.ErrorContext(ctx, "bunaudit: the sink panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("the sink panicked: %v", p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx, err = nested(ctx); err != nil {
		return err
	}
	return r.hook.cfg.Sink.Write(ctx, &Tx{IConn: u.conn, db: u.db, id: u.id}, events)
}

func (r *recorder) notRecorded(op sink.Op, err error) error {
	if errors.Is(err, ErrNoActor) {
		return ErrNoActor
	}
	return &NotRecordedError{Table: r.plan.name, Op: op, Err: err}
}

// statementError marks an error that the statement has without us as well.
type statementError struct{ err error }

func (e *statementError) Error() string { return e.err.Error() }
func (e *statementError) Unwrap() error { return e.err }

// outcome is what a statement did. It is the sql.Result of one that was
// executed without a wish for rows.
type outcome struct {
	returned *replay.Result // the rows of the user's RETURNING clause
	affected int64
	lastID   int64

	noAffected, noLastID error

	changes []rowChange
	whole   sink.Op      // of the table as a whole: truncate or opaque
	emptied []wholeTable // by a truncate
	events  int          // how many were written

	gap    error              // why the change is let through by Degrade
	opaque *UncapturableError // why it is let through by Warn
}

func (o *outcome) RowsAffected() (int64, error) { return o.affected, o.noAffected }
func (o *outcome) LastInsertId() (int64, error) { return o.lastID, o.noLastID }

// rowChange is a row before and after; nil where there was none.
type rowChange struct{ old, new image }
