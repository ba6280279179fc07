package retrieval

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// chronicle is where the history of rows is read from: a query, from the database, or
// a batch.
type chronicle interface {
	// cut returns the number of the last event of the spans at the time t or earlier
	// that isn't about events, or 0. Numbers, and not times, have the order of the
	// changes: the clocks of two programs may differ.
	cut(ctx context.Context, spans []span, t time.Time) (int64, error)

	// turns returns the first turns of a span, or the newest: those of two statements
	// at least.
	turns(ctx context.Context, s span, newest bool) ([]turn, error)

	// eachOf calls fn with the events of the spans, in their order.
	eachOf(ctx context.Context, spans []span, fn func(*found) error) error

	// next returns the first event of a key after the one with a number that isn't
	// about events, or nil.
	next(ctx context.Context, key string, seq int64) (*found, error)
}

// stateAt replays the history of the row that had a key at the time t.
func (q *query) stateAt(ctx context.Context, from chronicle, key string, t time.Time, wholes []found) (*state, error) {
	last, err := from.cut(ctx, wholeSpans([]string{key}), t)
	if err != nil {
		return nil, err
	}
	last = cutWholes(last, t, wholes)
	s, err := q.stateUpTo(ctx, from, key, last, wholes)
	if err != nil || s.presence != unsure || s.gap != nil {
		return s, err
	}
	next, err := from.next(ctx, key, last)
	if err != nil || next == nil {
		return s, err
	}
	_, was, err := tells(q.model, next, key)
	if was {
		s.gap = next
	}
	return s, err
}

// stateUpTo replays the history of the row that had a key when the event with a
// number was written.
func (q *query) stateUpTo(ctx context.Context, from chronicle, key string, last int64, wholes []found) (*state, error) {
	spans, err := life(ctx, from, key, last)
	if err != nil {
		return nil, err
	}
	f := newFold(q.model, upTo(wholes, last))
	f.rows[key] = unheardOf(key)
	err = from.eachOf(ctx, spans, func(e *found) error {
		_, err := f.apply(e)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.end()
	return f.rows[key], nil
}

func (q *query) cut(ctx context.Context, spans []span, t time.Time) (int64, error) {
	last, err := q.seqOf(ctx, q.bare().find(nil, spans, func(sel *bun.SelectQuery) *bun.SelectQuery {
		return sel.Where("e.time <= ?", eventrow.NewTime(bounded(t))).Where("e.op <> ?", string(sink.Erase)).OrderExpr("e.seq DESC").Limit(1)
	}))
	if err != nil {
		return 0, fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	return last, nil
}

// cutWholes takes the events about the whole table into account.
func cutWholes(last int64, t time.Time, wholes []found) int64 {
	for _, w := range wholes {
		if !w.Time.After(t) {
			last = max(last, w.seq)
		}
	}
	return last
}

func (q *query) eachOf(ctx context.Context, spans []span, fn func(*found) error) error {
	one := q.bare()
	read := func(at part) ([]eventrow.Row, error) { return one.read(ctx, spans, at) }
	return one.eachPage(ctx, part{}, 0, read, func(page []found) (bool, error) {
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

func (q *query) next(ctx context.Context, key string, seq int64) (*found, error) {
	var rows []eventrow.Row
	err := q.bare().find(&rows, wholeSpans([]string{key}), func(sel *bun.SelectQuery) *bun.SelectQuery {
		return sel.Where("e.seq > ?", seq).Where("e.op <> ?", string(sink.Erase)).OrderExpr("e.seq").Limit(1)
	}).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	events, err := toEvents(rows)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return &events[0], nil
}

// tells reports whether an event is about the row with a key, and whether it says
// that the row was there before.
func tells(m *model.Model, e *found, key string) (about, wasThere bool, err error) {
	was, is, err := keysOf(m, e)
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
