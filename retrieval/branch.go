package retrieval

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// narrowing adds conditions to a statement on the rows e, and what comes first
// and how much of it.
type narrowing func(*bun.SelectQuery) *bun.SelectQuery

// part is a part of the result: up to limit events after a place, but for the
// first offset ones.
type part struct {
	after         place
	limit, offset int
}

// read reads a part of the events, with the spans of the query's keys.
func (q *query) read(ctx context.Context, spans []span, at part) ([]eventrow.Row, error) {
	var rows []eventrow.Row
	if err := at.cut(q.find(&rows, spans, q.narrowTo(at))).Scan(ctx); err != nil {
		return nil, fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	return rows, nil
}

// readFirst reads the first part, and the spans. Most rows have never had another
// key, and are found by the one alone, at half the cost. Whether that was so has to
// be asked afterwards: a change of the key that is committed in between is found
// then, and not missed.
func (q *query) readFirst(ctx context.Context, at part) ([]eventrow.Row, []span, error) {
	if !q.keyed || len(q.keys) == 0 {
		rows, err := q.read(ctx, nil, at)
		return rows, nil, err
	}
	var rows []eventrow.Row
	sel := q.narrowTo(at)(q.whereKey(q.conditions(q.from(&rows)), isKey, q.ranges(wholeSpans(q.keys))[0].stored))
	if err := at.cut(sel).Scan(ctx); err != nil {
		return nil, nil, fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	spans, err := q.spans(ctx)
	if err != nil || !slices.ContainsFunc(spans, func(s span) bool { return !s.whole() }) {
		return rows, spans, err
	}
	rows, err = q.read(ctx, spans, at)
	return rows, spans, err
}

func (q *query) narrowTo(at part) narrowing {
	return func(sel *bun.SelectQuery) *bun.SelectQuery {
		if at.after.seq != 0 {
			sel = q.beyond(sel, at.after)
		}
		return set(q.order(sel).Limit, at.limit+at.offset)
	}
}

// cut leaves out the first events of what a statement selects.
func (p part) cut(sel *bun.SelectQuery) *bun.SelectQuery {
	if p.offset == 0 {
		return sel
	}
	return set(set(sel.Limit, p.limit).Offset, p.offset)
}

// find selects from the events of the query, as the rows e, what narrow leaves of
// them: into rows, or no column yet where there are none. Where the query names
// keys, spans are those of their rows.
//
// An event belongs to a key by one of two columns, each of which has an index with
// the key's events in their order. A condition with OR could use neither for the
// order, so that each page would sort all that is left, and SQLite without
// statistics uses neither at all. So what each span and column has is selected by
// itself, narrowed as the whole will be.
func (q *query) find(rows *[]eventrow.Row, spans []span, narrow narrowing) *bun.SelectQuery {
	return q.findBy([]keyColumn{isKey, wasKey}, rows, spans, narrow)
}

func (q *query) findBy(columns []keyColumn, rows *[]eventrow.Row, spans []span, narrow narrowing) *bun.SelectQuery {
	switch {
	case !q.keyed:
		return narrow(q.conditions(q.from(rows)))
	case len(spans) == 0:
		return narrow(q.from(rows).Where("1 = 0"))
	}
	ranges := q.ranges(spans)
	if len(ranges) > manyRanges && q.dialect() != dialect.SQLite { // the others take long to plan so many branches
		return narrow(q.whereRanges(q.conditions(q.from(rows)), ranges))
	}
	var parts []string
	var args []any
	for _, r := range ranges {
		for _, column := range columns {
			branch := q.whereRange(q.conditions(q.from(nil).ColumnExpr("e.*")), column, r)
			parts = append(parts, "SELECT * FROM (?) AS b")
			args = append(args, narrow(branch))
		}
	}
	sel := narrow(q.selectFrom(rows, bun.SafeQuery("("+union(parts)+")", args...)))
	switch {
	case len(spans) == 1: // an event that changed this key has it in one of the columns
	case q.dialect() == dialect.PG:
		sel.DistinctOn("e.seq")
	case q.dialect() == dialect.MySQL && rows != nil: // which may want every column in GROUP BY
		sel.Distinct()
	default:
		sel.GroupExpr("e.seq, e.time")
	}
	return sel
}

// manyRanges is how many are too many to select each by itself.
const manyRanges = 8

// union joins statements. SQLite takes no more than 500 in a row.
func union(parts []string) string {
	const most = 200
	if len(parts) <= most {
		return strings.Join(parts, " UNION ALL ")
	}
	var all []string
	for some := range slices.Chunk(parts, most) {
		all = append(all, "SELECT * FROM ("+strings.Join(some, " UNION ALL ")+") AS b")
	}
	return strings.Join(all, " UNION ALL ")
}

// keyRange is a span with the texts under which its key may be stored; a whole one is
// of several keys.
type keyRange struct {
	span
	stored []string
}

// ranges are the spans, all whole ones as one.
func (q *query) ranges(spans []span) []keyRange {
	whole := keyRange{span: span{to: math.MaxInt64}}
	var parts []keyRange
	for _, s := range spans {
		if s.whole() {
			whole.stored = append(whole.stored, q.variants(s.key)...)
			continue
		}
		parts = append(parts, keyRange{s, q.variants(s.key)})
	}
	if whole.stored == nil {
		return parts
	}
	return append([]keyRange{whole}, parts...)
}

// whereRange keeps the events that have the keys of a range in a column.
func (q *query) whereRange(sel *bun.SelectQuery, column keyColumn, r keyRange) *bun.SelectQuery {
	if !r.whole() {
		sel = sel.Where("e.seq BETWEEN ? AND ?", r.from, r.to)
	}
	return q.whereKey(sel, column, r.stored)
}

// whereRanges keeps the events of the ranges, of which there is one at least.
func (q *query) whereRanges(sel *bun.SelectQuery, ranges []keyRange) *bun.SelectQuery {
	return sel.WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
		for _, r := range ranges {
			for _, column := range []keyColumn{isKey, wasKey} {
				sel = sel.WhereGroup(" OR ", func(sel *bun.SelectQuery) *bun.SelectQuery { return q.whereRange(sel, column, r) })
			}
		}
		return sel
	})
}

// seqOf runs a statement that find has made, and returns the number of the event
// that comes first, or 0.
func (q *query) seqOf(ctx context.Context, sel *bun.SelectQuery) (int64, error) {
	var seq int64
	err := sel.ColumnExpr("e.seq").Scan(ctx, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, q.explain(err)
}
