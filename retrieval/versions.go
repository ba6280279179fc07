package retrieval

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"slices"

	"github.com/sqlaudit/bun/sink"
)

// Versions gives the row of the query's key after each change, the oldest
// first: with the event that made the change, see [Row]. A row that was deleted
// comes with Deleted set. Its life under other keys is part of the result, as
// with [Query.Events]. With several keys the versions of the rows come in the
// order in which they were made.
//
// Where history doesn't know the row as a whole, the version says so in its
// Incomplete. The sequence ends after an error, which comes with the zero Row.
func (q *Query[M]) Versions(ctx context.Context) iter.Seq2[Row[M], error] {
	return func(yield func(Row[M], error) bool) {
		err := q.versions(ctx, func(s *state) bool { return yield(newRow[M](&q.query, s), nil) })
		if err != nil {
			yield(Row[M]{}, err)
		}
	}
}

func (q *query) versions(ctx context.Context, yield func(*state) bool) error {
	if err := q.onlyKeys(ctx, false); err != nil {
		return err
	}
	if !q.keyed {
		return errors.New("retrieval: versions are those of rows: name their keys")
	}
	wholes, err := q.wholes(ctx)
	if err != nil {
		return err
	}
	f := newFold(q.model, wholes)
	// before gives what happened to the whole table before an event.
	before := func(seq int64) bool {
		for len(f.wholes) > 0 && f.wholes[0].seq < seq {
			var were []*state
			for _, key := range slices.Sorted(maps.Keys(f.rows)) {
				if s := f.rows[key]; s.presence == there {
					were = append(were, s)
				}
			}
			f.advance(f.wholes[0].seq + 1)
			for _, s := range were {
				if !yield(s) {
					return false
				}
			}
		}
		return true
	}
	stopped := false
	err = q.pages(ctx, 0, 0, func(page []found) (bool, error) {
		for i := range page {
			e := &page[i]
			if !before(e.seq) {
				stopped = true
				return false, nil
			}
			s, err := f.apply(e)
			if err != nil {
				return false, err
			}
			if e.Op == sink.Erase {
				continue
			}
			if !yield(s) {
				stopped = true
				return false, nil
			}
		}
		return true, nil
	})
	if err == nil && !stopped {
		before(math.MaxInt64)
	}
	return err
}
