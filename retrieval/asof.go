package retrieval

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// ErrIncomplete means that history doesn't tell what was asked: it does not
// reach back far enough, or it is blind from some event on. The error is an
// [*IncompleteError], which names the event.
var ErrIncomplete = errors.New("history is incomplete")

// IncompleteError is why history doesn't know a row as a whole.
type IncompleteError struct {
	// Name is the name of the model, or of the table where there is no model.
	Name string

	// Event is the first event of the row, which was there before; or the event
	// of the operation sink.Opaque after which nothing is certain until the row
	// is on record as a whole again.
	Event sink.Event
}

// Error names the event.
func (e *IncompleteError) Error() string {
	what := "begins with"
	if e.Event.Op == sink.Opaque {
		what = "is blind from"
	}
	return fmt.Sprintf("retrieval: history of %s is incomplete: it %s the %s of %s (event %s)",
		e.Name, what, e.Event.Op, e.Event.Time.Format(time.RFC3339), e.Event.ID)
}

// Is makes the error an [ErrIncomplete].
func (e *IncompleteError) Is(target error) bool { return target == ErrIncomplete }

// AsOf returns the row that had the key of the query at the time t, as it was
// then: every change up to and including t is in it. Columns that history has
// no values of are zero: see [Row], which [Query.RowAsOf] returns.
//
// The error is [sql.ErrNoRows] where there was no such row, as far as history
// goes, and an [*IncompleteError] where history doesn't reach back that far, or
// is blind. Baseline makes a history complete from then on.
//
// A soft-deleted row is a row. For several rows, or for all, there is
// [Query.RowsAsOf].
func (q *Query[M]) AsOf(ctx context.Context, t time.Time) (M, error) {
	row, err := q.RowAsOf(ctx, t)
	if err != nil {
		var zero M
		return zero, err
	}
	return row.Model()
}

// RowAsOf is like [Query.AsOf], and returns all that history tells. With an
// [*IncompleteError] comes what is known of the row.
func (q *Query[M]) RowAsOf(ctx context.Context, t time.Time) (Row[M], error) {
	if err := q.onlyKeys(ctx, true); err != nil {
		return Row[M]{}, err
	}
	wholes, err := q.wholes(ctx)
	if err != nil {
		return Row[M]{}, err
	}
	s, err := q.stateAt(ctx, q, q.keys[0], t, wholes)
	if err != nil {
		return Row[M]{}, err
	}
	return q.row(s)
}

// row makes a Row of a state, or says why there is none.
func (q *Query[M]) row(s *state) (Row[M], error) {
	switch {
	case s.presence == there && s.gap == nil:
		return newRow[M](&q.query, s), nil
	case s.presence == gone, s.gap == nil:
		return Row[M]{}, fmt.Errorf("retrieval: row of %s: %w", q.name, sql.ErrNoRows)
	}
	row := newRow[M](&q.query, s)
	return row, row.Incomplete
}

// RowsAsOf gives the rows that had the keys of the query at the time t, in the
// order of the keys; of a query without keys all rows of the table, in no order
// that means anything. The others that there were not are left out.
//
// A row of which history doesn't know everything comes with an
// [*IncompleteError], as from [Query.RowAsOf], and the sequence goes on: it is up
// to the caller to stop. It ends after any other error.
//
// For the whole table it reads the whole history of the table, a page at a time.
// It sees what is committed while it runs, but for what has a later time than t.
func (q *Query[M]) RowsAsOf(ctx context.Context, t time.Time) iter.Seq2[Row[M], error] {
	return func(yield func(Row[M], error) bool) {
		err := q.rowsAsOf(ctx, t, func(row Row[M], err error) error {
			if !yield(row, err) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Row[M]{}, err)
		}
	}
}

// errStop says that the caller wants no more.
var errStop = errors.New("stop")

func (q *Query[M]) rowsAsOf(ctx context.Context, t time.Time, yield func(Row[M], error) error) error {
	if err := q.onlyKeys(ctx, false); err != nil {
		return err
	}
	wholes, err := q.wholes(ctx)
	if err != nil {
		return err
	}
	give := func(row Row[M], err error) error {
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil && !errors.Is(err, ErrIncomplete):
			return err
		}
		return yield(row, err)
	}
	each := func(_ string, s *state) error { return give(q.row(s)) }
	if !q.keyed {
		return q.eachRow(ctx, t, wholes, each)
	}
	return q.statesAt(ctx, q.keys, t, wholes, each)
}

// onlyKeys refuses a query whose conditions would leave out a part of a row's
// history, and settles its keys.
func (q *query) onlyKeys(ctx context.Context, one bool) error {
	switch {
	case q.err != nil:
		return q.err
	case q.table == "":
		return errors.New("retrieval: a row is one of a table: ask for it by For or ForTable")
	case len(q.conds) > 0 || q.fields != nil || q.limit != 0 || q.offset != 0 || q.after != nil || q.newest:
		return errors.New("retrieval: rows are made of their whole history: ask for them by key alone")
	case one && len(q.keys) == 0:
		return errors.New("retrieval: that is for one row: name it by its key")
	case one && len(q.keys) > 1:
		return fmt.Errorf("retrieval: that is for one row, and the query names %d: give one key", len(q.keys))
	}
	return q.settle(ctx)
}

// bare is a query for the whole history of keys in the same table.
func (q *query) bare(keys ...string) *query {
	return &query{db: q.db, events: q.events, name: q.name, table: q.table, model: q.model, keys: keys, keyed: true}
}

// wholes reads the events about the whole table.
func (q *query) wholes(ctx context.Context) ([]found, error) {
	var rows []eventrow.Row
	err := q.whereTable(q.from(&rows)).Where("e.? IS NULL", bun.Ident(q.indexOf(isKey))).OrderExpr("e.seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	return toEvents(rows)
}
