package retrieval

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// byTime reports whether the result is ordered by time before it is by number.
// Numbers tell what came first in a row, and what was asked for by a key has an
// index in their order. A time range of all rows has not: by number a page of
// yesterday's would read the table from its first event on, by time it reads
// what it holds.
func (q *query) byTime() bool { return q.timed && !q.keyed && !q.numbered }

// beyond keeps the events after a place.
func (q *query) beyond(sel *bun.SelectQuery, p place) *bun.SelectQuery {
	past := bun.Safe(">")
	if q.newest {
		past = bun.Safe("<")
	}
	if !q.byTime() {
		return sel.Where("e.seq ? ?", past, p.seq)
	}
	// Not by a comparison of pairs, for which MariaDB uses no index.
	at := eventrow.NewTime(time.UnixMicro(p.micros))
	return sel.Where("e.time ?= ? AND (e.time ? ? OR e.seq ? ?)", past, at, past, at, past, p.seq)
}

func (q *query) order(sel *bun.SelectQuery) *bun.SelectQuery {
	direction := bun.Safe("")
	if q.newest {
		direction = bun.Safe(" DESC")
	}
	if q.byTime() {
		sel = sel.OrderExpr("e.time?", direction)
	}
	return sel.OrderExpr("e.seq?", direction)
}

// before reports whether p comes before other in the order of the query.
func (q *query) before(p, other place) bool {
	less := p.seq < other.seq
	if q.byTime() && p.micros != other.micros {
		less = p.micros < other.micros
	}
	return p.seq != other.seq && less != q.newest
}
