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
		err := q.each(ctx, q.limit, q.offset, func(e *sink.Event) bool {
			return yield(Event[M]{Event: *e, model: q.model}, nil)
		})
		if err != nil {
			yield(Event[M]{}, err)
		}
	}
}

// Changes runs the query and gives the changes of its events field by field: an
// event's in the order of [Event.Fields], with [Query.Field] only those of these
// fields. The sequence ends after an error, which comes with the zero Change.
func (q *Query[M]) Changes(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		skip, left := q.offset, q.limit
		err := q.each(ctx, 0, 0, func(e *sink.Event) bool {
			for _, c := range changes(e, q.model, q.fields) {
				if skip > 0 {
					skip--
					continue
				}
				if !yield(c, nil) {
					return false
				}
				if left--; left == 0 {
					return false
				}
			}
			return true
		})
		if err != nil {
			yield(Change{}, err)
		}
	}
}

// All runs the query and returns its events. Without a [Query.Limit] there may
// be many.
func (q *Query[M]) All(ctx context.Context) ([]Event[M], error) { return Collect(q.Events(ctx)) }

// Count runs the query and returns the number of its events.
func (q *Query[M]) Count(ctx context.Context) (int, error) {
	if q.err != nil {
		return 0, q.err
	}
	keys, err := q.spans(ctx)
	if err != nil {
		return 0, err
	}
	n, err := q.apply(q.from(nil), keys).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("retrieval: count events: %w", err)
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

// each calls fn with the events until it returns false, a page at a time. 0 is
// no limit.
func (q *query) each(ctx context.Context, limit, offset int, fn func(*sink.Event) bool) error {
	if q.err != nil {
		return q.err
	}
	keys, err := q.spans(ctx)
	if err != nil {
		return err
	}
	last := int64(0)
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := pageSize
		if limit > 0 {
			n = min(n, limit)
		}
		var rows []eventrow.Row
		sel := q.apply(q.from(&rows), keys)
		sel = set(sel.Limit, n)
		if first {
			sel = set(sel.Offset, offset)
		} else {
			sel = q.after(sel, last)
		}
		if err := q.order(sel).Scan(ctx); err != nil {
			return fmt.Errorf("retrieval: read events: %w", err)
		}
		for i := range rows {
			e, err := rows[i].ToEvent()
			if err != nil {
				return fmt.Errorf("retrieval: %w", err)
			}
			if !fn(&e) {
				return nil
			}
			last = rows[i].Seq
		}
		if limit -= len(rows); len(rows) < n || limit == 0 {
			return nil
		}
	}
}

// set calls Limit or Offset, whose argument is an int in some versions of Bun
// and an int64 in others.
func set[N int | int64](method func(N) *bun.SelectQuery, n int) *bun.SelectQuery { return method(N(n)) }

// from selects from the table of events. Without rows it is for counting.
func (q *query) from(rows *[]eventrow.Row) *bun.SelectQuery {
	if rows == nil {
		return q.db.NewSelect().TableExpr("? AS e", q.events.Expr())
	}
	return q.db.NewSelect().Model(rows).ModelTableExpr("? AS e", q.events.Expr())
}

func (q *query) after(sel *bun.SelectQuery, seq int64) *bun.SelectQuery {
	if q.newest {
		return sel.Where("e.seq < ?", seq)
	}
	return sel.Where("e.seq > ?", seq)
}

func (q *query) order(sel *bun.SelectQuery) *bun.SelectQuery {
	if q.newest {
		return sel.OrderExpr("e.seq DESC")
	}
	return sel.OrderExpr("e.seq")
}
