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
	return q.rowAsOf(ctx, q.keys[0], t, wholes)
}

func (q *Query[M]) rowAsOf(ctx context.Context, key string, t time.Time, wholes []found) (Row[M], error) {
	s, err := q.stateAt(ctx, key, t, wholes)
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
	if !q.keyed {
		return q.eachRow(ctx, t, wholes, func(_ string, s *state) error { return give(q.row(s)) })
	}
	for _, key := range q.keys {
		if err := give(q.rowAsOf(ctx, key, t, wholes)); err != nil {
			return err
		}
	}
	return nil
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

// cut returns the number of the last event of the spans, or of the whole table, at
// the time t or earlier. Numbers, and not times, have the order of the changes: the
// clocks of two programs may differ.
func (q *query) cut(ctx context.Context, spans []span, t time.Time, wholes []found) (int64, error) {
	last, err := q.seqOf(ctx, q.find(nil, spans, func(sel *bun.SelectQuery) *bun.SelectQuery {
		return sel.Where("e.time <= ?", eventrow.NewTime(bounded(t))).OrderExpr("e.seq DESC").Limit(1)
	}))
	if err != nil {
		return 0, fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	for _, w := range wholes {
		if !w.Time.After(t) {
			last = max(last, w.seq)
		}
	}
	return last, nil
}

// stateAt replays the history of the row that had a key at the time t.
func (q *query) stateAt(ctx context.Context, key string, t time.Time, wholes []found) (*state, error) {
	row := q.bare(key)
	last, err := row.cut(ctx, wholeSpans(row.keys), t, wholes)
	if err != nil {
		return nil, err
	}
	s, err := q.stateUpTo(ctx, key, last, wholes)
	if err == nil && s.presence == unsure && s.gap == nil {
		s.gap, err = row.foretold(ctx, last)
	}
	return s, err
}

// stateUpTo replays the history of the row that had a key when the event with a
// number was written.
func (q *query) stateUpTo(ctx context.Context, key string, last int64, wholes []found) (*state, error) {
	row := q.bare(key)
	life, err := row.life(ctx, key, last)
	if err != nil {
		return nil, err
	}
	f := newFold(q.model, upTo(wholes, last))
	f.rows[key] = unheardOf(key)
	read := func(at part) ([]eventrow.Row, error) { return row.read(ctx, life, at) }
	err = row.eachPage(ctx, part{}, 0, read, func(page []found) (bool, error) {
		for i := range page {
			if _, err := f.apply(&page[i]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	f.end()
	return f.rows[key], nil
}

// foretold returns the first event of the query's keys after the one with the
// number, if it says that the row was there before, else nil.
func (q *query) foretold(ctx context.Context, seq int64) (*found, error) {
	var rows []eventrow.Row
	err := q.find(&rows, wholeSpans(q.keys), func(sel *bun.SelectQuery) *bun.SelectQuery {
		return sel.Where("e.seq > ?", seq).Where("e.op <> ?", string(sink.Erase)).OrderExpr("e.seq").Limit(1)
	}).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	events, err := toEvents(rows)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	_, was, err := newFold(q.model, nil).tells(&events[0], q.keys[0])
	if !was {
		return nil, err
	}
	return &events[0], nil
}

// tells reports whether an event is about the row with a key, and whether it says
// that the row was there before.
func (f *fold) tells(e *found, key string) (about, wasThere bool, err error) {
	was, is, err := f.keys(e)
	return was == key || is == key, was == key && e.Op != sink.Insert && e.Op != sink.Erase, err
}

// upTo is the part of the events that come no later than the one with the
// number.
func upTo(events []found, seq int64) []found {
	for i := range events {
		if events[i].seq > seq {
			return events[:i]
		}
	}
	return events
}
