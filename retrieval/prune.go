package retrieval

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// PruneOptions say how [Query.Prune] works.
type PruneOptions struct {
	// Keep is how many events are kept, the newest of those that the query has.
	// 0: none, so that the query's conditions alone decide.
	Keep int

	// DryRun deletes nothing, and counts.
	DryRun bool

	// BatchSize is how many events are deleted in one transaction. 0: 1,000.
	BatchSize int

	// Progress is called after each batch. Nil: nobody is told.
	Progress func(Progress)
}

// Prune deletes the events of the query, for good and in batches, and returns how
// many: by age, or by number.
//
//	retrieval.For[Session](db).Until(time.Now().AddDate(0, -6, 0)).Prune(ctx, retrieval.PruneOptions{})
//	retrieval.For[Session](db).Prune(ctx, retrieval.PruneOptions{Keep: 1_000_000})
//
// A query without any condition, and without Keep, is refused. Where Prune ends
// early, what it has deleted is deleted, and it can be run again. History doesn't
// reach back beyond what is left: rows whose first events are gone are incomplete,
// see [ErrIncomplete], until Baseline is run. That holds of Until, Keep and keys:
// with other conditions, such as By or Since, events are missing in the middle, and
// what is left is taken for the whole. The user of the database needs DELETE on the
// table of events.
func (q *Query[M]) Prune(ctx context.Context, opts PruneOptions) (int64, error) {
	n, err := q.prune(ctx, opts)
	if err != nil {
		return n, fmt.Errorf("retrieval: prune: %w", err)
	}
	return n, nil
}

func (q *query) prune(ctx context.Context, opts PruneOptions) (int64, error) {
	switch {
	case q.err != nil:
		return 0, q.err
	case q.limit != 0 || q.offset != 0 || q.after != nil || q.newest:
		return 0, errors.New("the query can't have a limit, an offset, a cursor or an order")
	case opts.Keep < 0 || opts.BatchSize < 0:
		return 0, errors.New("the numbers of the options are negative")
	case opts.Keep == 0 && len(q.conds) == 0 && !q.keyed && q.fields == nil:
		return 0, errors.New("the query has no condition and would delete the whole history: say Until, or Keep")
	case opts.BatchSize == 0:
		opts.BatchSize = 1000
	}
	if err := q.settle(ctx); err != nil {
		return 0, err
	}
	keys, err := q.spans(ctx)
	if err != nil {
		return 0, err
	}
	last, err := q.lastToPrune(ctx, keys, opts.Keep)
	if err != nil || last == 0 {
		return 0, err
	}
	old := func(sel *bun.SelectQuery) *bun.SelectQuery { return sel.Where("e.seq <= ?", last) }
	if opts.DryRun {
		n, err := q.find(nil, keys, old).ColumnExpr("e.seq").Count(ctx)
		return int64(n), q.explain(err)
	}
	var done int64
	for {
		var seqs []int64
		var times []eventrow.Time
		sel := q.find(nil, keys, func(sel *bun.SelectQuery) *bun.SelectQuery {
			return set(old(sel).OrderExpr("e.seq").Limit, opts.BatchSize)
		})
		if err := sel.ColumnExpr("e.seq, e.time").Scan(ctx, &seqs, &times); err != nil {
			return done, q.explain(err)
		}
		if len(seqs) == 0 {
			return done, nil
		}
		from, to := extent(times) // says in which partitions they are
		_, err := q.db.NewRaw("DELETE FROM ? WHERE seq IN (?) AND time BETWEEN ? AND ?", q.events.Expr(), bun.In(seqs), from, to).Exec(ctx)
		if err != nil {
			return done, err
		}
		done += int64(len(seqs))
		if opts.Progress != nil {
			opts.Progress(Progress{Rows: done})
		}
		if len(seqs) < opts.BatchSize {
			return done, nil
		}
	}
}

// extent returns the first and the last of some times.
func extent(times []eventrow.Time) (from, to eventrow.Time) {
	compare := func(a, b eventrow.Time) int { return a.Time().Compare(b.Time()) }
	return slices.MinFunc(times, compare), slices.MaxFunc(times, compare)
}

// lastToPrune returns the number of the newest event that isn't to be kept, or 0.
func (q *query) lastToPrune(ctx context.Context, keys []span, keep int) (int64, error) {
	sel := q.find(nil, keys, func(sel *bun.SelectQuery) *bun.SelectQuery {
		return set(sel.OrderExpr("e.seq DESC").Limit, keep+1)
	})
	return q.seqOf(ctx, set(sel.Limit(1).Offset, keep))
}
