package retrieval

import (
	"context"
	"fmt"
	"iter"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// pageSize is how many events are in memory at once.
const pageSize = 200

// Events runs the query and gives its events. The sequence ends after an error,
// which comes with the zero Event.
func (q *Query[M]) Events(ctx context.Context) iter.Seq2[Event[M], error] {
	return func(yield func(Event[M], error) bool) {
		err := q.each(ctx, q.limit, q.offset, func(e *found) bool { return yield(q.event(e), nil) })
		if err != nil {
			yield(Event[M]{}, err)
		}
	}
}

func (q *Query[M]) event(e *found) Event[M] {
	return Event[M]{Event: e.Event, model: q.model, at: q.placeAfter(e)}
}

// Changes runs the query and gives the changes of its events field by field: an
// event's in the order of [Event.Fields], with [Query.Field] only those of these
// fields. An event that has changed no field, such as a truncation or the insert of
// a row that is nothing but its key, is for [Query.Events] alone. The sequence ends
// after an error, which comes with the zero Change.
func (q *Query[M]) Changes(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		err := q.eachChange(ctx, false, func(c Change) bool { return yield(c, nil) })
		if err != nil {
			yield(Change{}, err)
		}
	}
}

// eachChange calls fn with the changes until it returns false; if also, with one of
// no field for each event that has none.
func (q *query) eachChange(ctx context.Context, also bool, fn func(Change) bool) error {
	skip, left := q.offset, q.limit
	return q.each(ctx, 0, 0, func(e *found) bool {
		all := changes(&e.Event, q.model, q.fields)
		if also && len(all) == 0 {
			all = []Change{newChange(&e.Event, q.model, "", sink.Change{})}
		}
		for _, c := range all {
			if skip > 0 {
				skip--
				continue
			}
			if !fn(c) {
				return false
			}
			if left--; left == 0 {
				return false
			}
		}
		return true
	})
}

// All runs the query and returns its events. Without a [Query.Limit] there may
// be many.
func (q *Query[M]) All(ctx context.Context) ([]Event[M], error) { return Collect(q.Events(ctx)) }

// Count runs the query and returns the number of its events, wherever
// [Query.After], [Query.Limit] and [Query.Offset] would begin and end.
func (q *Query[M]) Count(ctx context.Context) (int, error) {
	if q.err != nil {
		return 0, q.err
	}
	if err := q.settle(ctx); err != nil {
		return 0, err
	}
	one := *q
	one.counted = true
	keys, err := one.spans(ctx)
	if err != nil {
		return 0, err
	}
	all := func(sel *bun.SelectQuery) *bun.SelectQuery { return sel }
	n, err := one.find(nil, keys, all).ColumnExpr("e.seq").Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("retrieval: count events: %w", q.explain(err))
	}
	return int(n), nil
}

// Collect returns what a sequence gives until its first error, and that error.
// It makes a slice of [Query.Changes].
func Collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// found is an event and its number.
type found struct {
	sink.Event
	seq int64
}

// each calls fn with the events until it returns false. 0 is no limit.
func (q *query) each(ctx context.Context, limit, offset int, fn func(*found) bool) error {
	return q.pages(ctx, limit, offset, func(page []found) (bool, error) {
		for i := range page {
			if !fn(&page[i]) {
				return false, nil
			}
		}
		return true, nil
	})
}

// pages calls fn with the events, a page at a time, until it returns false or
// an error. 0 is no limit.
func (q *query) pages(ctx context.Context, limit, offset int, fn func([]found) (bool, error)) error {
	if q.err != nil {
		return q.err
	}
	after, err := q.start()
	if err == nil {
		err = q.settle(ctx)
	}
	if err != nil {
		return err
	}
	var spans []span
	first := true
	read := func(at part) (rows []eventrow.Row, err error) {
		if !first {
			return q.read(ctx, spans, at)
		}
		first = false
		rows, spans, err = q.readFirst(ctx, at)
		return rows, err
	}
	return q.eachPage(ctx, part{after: after, offset: offset}, limit, read, fn)
}

// eachPage is like pages, with the events that read reads.
func (q *query) eachPage(ctx context.Context, at part, limit int, read func(part) ([]eventrow.Row, error), fn func([]found) (bool, error)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		at.limit = pageSize
		if limit > 0 {
			at.limit = min(at.limit, limit)
		}
		rows, err := read(at)
		if err != nil {
			return err
		}
		page, err := toEvents(rows)
		if err != nil {
			return err
		}
		if more, err := fn(page); err != nil || !more {
			return err
		}
		if limit -= len(rows); len(rows) < at.limit || limit == 0 {
			return nil
		}
		at = part{after: q.placeAfter(&page[len(page)-1])}
	}
}

func toEvents(rows []eventrow.Row) ([]found, error) {
	events := make([]found, len(rows))
	for i := range rows {
		e, err := rows[i].ToEvent()
		if err != nil {
			return nil, wrap(err)
		}
		events[i] = found{e, rows[i].Seq}
	}
	return events, nil
}

// set calls Limit or Offset, whose argument is an int in some versions of Bun
// and an int64 in others.
func set[N int | int64](method func(N) *bun.SelectQuery, n int) *bun.SelectQuery { return method(N(n)) }

// from selects from the table of events, into rows. Without rows it selects no
// column yet.
func (q *query) from(rows *[]eventrow.Row) *bun.SelectQuery {
	return q.selectFrom(rows, q.events.Expr())
}

// selectFrom is like from, with another table or a statement in parentheses.
func (q *query) selectFrom(rows *[]eventrow.Row, source any) *bun.SelectQuery {
	if rows == nil {
		return q.db.NewSelect().TableExpr("? AS e", source)
	}
	return q.db.NewSelect().Model(rows).ModelTableExpr("? AS e", source)
}
