package retrieval

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// Transaction is everything on record that one database transaction changed, in
// whatever tables.
type Transaction struct {
	// ID is what the events have in Tx.
	ID string

	// Time, Actor, Reason and Meta are those of the first event. Each event has
	// its own: a transaction may carry out statements in several people's names.
	Time   time.Time
	Actor  sink.Actor
	Reason string
	Meta   map[string]string

	// Events are all events of the transaction, in the order in which they were
	// written. Never empty.
	Events []Event[sink.Values]
}

// Transactions runs the query and gives the transactions of its events, each
// once and whole: with all its events, also those that the query has no use
// for. They come in the order of the first event of each that the query finds;
// limit and offset count transactions.
//
//	retrieval.ForAll(db).By("42").NewestFirst().Limit(20).Transactions(ctx) // what 42 has done lately
//
// The events of a transaction are in memory together. The sequence ends after
// an error, which comes with the zero Transaction.
func (q *Query[M]) Transactions(ctx context.Context) iter.Seq2[Transaction, error] {
	return func(yield func(Transaction, error) bool) {
		if err := q.transactions(ctx, yield); err != nil {
			yield(Transaction{}, err)
		}
	}
}

// transactions gives each transaction at its first event. It remembers those
// that it may come across again, and no others.
func (q *query) transactions(ctx context.Context, yield func(Transaction, error) bool) error {
	skip, left := q.offset, q.limit
	open := map[string]place{} // by ID, after the event where it ends
	return q.pages(ctx, 0, 0, func(page []found) (bool, error) {
		if len(page) == 0 {
			return false, nil
		}
		begin := q.placeAfter(&page[0])
		maps.DeleteFunc(open, func(_ string, end place) bool { return q.before(end, begin) })
		var ids []string
		for i := range page {
			id := page[i].Tx
			if _, seen := open[id]; seen || slices.Contains(ids, id) {
				continue
			}
			if q.limit > 0 && len(ids) == skip+left {
				break
			}
			ids = append(ids, id)
		}
		if len(ids) == 0 {
			return true, nil
		}
		whole, err := q.whole(ctx, ids)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			t, ok := whole[id]
			if !ok {
				continue // deleted this very moment
			}
			for _, e := range t.Events {
				if end, ok := open[id]; !ok || q.before(end, e.at) {
					open[id] = e.at
				}
			}
			if skip > 0 {
				skip--
				continue
			}
			if !yield(t, nil) {
				return false, nil
			}
			if left--; left == 0 {
				return false, nil
			}
		}
		return true, nil
	})
}

// whole reads transactions, by their IDs.
func (q *query) whole(ctx context.Context, ids []string) (map[string]Transaction, error) {
	var rows []eventrow.Row
	err := q.from(&rows).Where("e.tx IN (?)", bun.In(ids)).OrderExpr("e.seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("retrieval: read transactions: %w", q.explain(err))
	}
	events, err := toEvents(rows)
	if err != nil {
		return nil, err
	}
	every := query{events: q.events, newest: q.newest}
	whole := make(map[string]Transaction, len(ids))
	for i := range events {
		e := &events[i]
		t, ok := whole[e.Tx]
		if !ok {
			t = Transaction{ID: e.Tx, Time: e.Time, Actor: e.Actor, Reason: e.Reason, Meta: e.Meta}
		}
		t.Events = append(t.Events, Event[sink.Values]{Event: e.Event, at: every.placeAfter(e)})
		whole[e.Tx] = t
	}
	return whole, nil
}
