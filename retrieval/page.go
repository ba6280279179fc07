package retrieval

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// pageLimit is how many events a page has where the query has no limit.
const pageLimit = 100

// Page is a part of the result of a query: see [Query.Page].
type Page[M any] struct {
	Events []Event[M]

	// Next is the cursor of the page that follows, for [Query.After]. It is empty
	// where there is none, so far: where the oldest events come first, later
	// ones may still be made, and come after the [Event.Cursor] of the last.
	Next string
}

// Page runs the query and returns the first events, as many as [Query.Limit]
// says, or 100. The next page begins where this one has ended, by a condition
// that an index serves and not by counting, so that the thousandth page costs
// what the first does:
//
//	page, err := retrieval.For[Customer](db).NewestFirst().Limit(50).After(cursor).Page(ctx)
//
// What was committed when the first page was read is on exactly one page, also
// where events are written meanwhile.
func (q *Query[M]) Page(ctx context.Context) (Page[M], error) {
	one := *q
	limit := q.limit
	if limit == 0 {
		limit = pageLimit
	}
	one.limit = limit + 1 // one more, to know whether there is one
	events, err := one.All(ctx)
	if err != nil {
		return Page[M]{}, err
	}
	page := Page[M]{Events: events}
	if len(events) > limit {
		page.Events = events[:limit:limit]
		page.Next = page.Events[limit-1].Cursor()
	}
	return page, nil
}

// First returns the oldest event of the query, whatever its order, limit and
// offset. The error is [sql.ErrNoRows] where it has none.
func (q *Query[M]) First(ctx context.Context) (Event[M], error) { return q.one(ctx, false, nil) }

// Last returns the newest event of the query, whatever its order, limit and
// offset. The error is [sql.ErrNoRows] where it has none.
func (q *Query[M]) Last(ctx context.Context) (Event[M], error) { return q.one(ctx, true, nil) }

// Previous returns the last event of the query before e, which another query
// for the same table of events has returned: the change before this one. The
// error is [sql.ErrNoRows] where there is none.
func (q *Query[M]) Previous(ctx context.Context, e Event[M]) (Event[M], error) {
	if e.at.seq == 0 {
		return Event[M]{}, errors.New("retrieval: previous event: the event was not returned by a query")
	}
	return q.one(ctx, true, &e.at)
}

func (q *Query[M]) one(ctx context.Context, newest bool, before *place) (Event[M], error) {
	one := *q
	one.newest, one.limit, one.offset, one.after = newest, 1, 0, nil
	if before != nil {
		p := *before
		p.newest, p.scope = newest, one.scope()
		one.after = &p
	}
	events, err := one.All(ctx)
	switch {
	case err != nil:
		return Event[M]{}, err
	case len(events) == 0:
		return Event[M]{}, fmt.Errorf("retrieval: read event: %w", sql.ErrNoRows)
	}
	return events[0], nil
}
