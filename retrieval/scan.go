package retrieval

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// scanSize is how many events a page of a scan has.
const scanSize = 500

// keyedRow is an event beside the key that it is found under: the one after the
// change or the one before it.
type keyedRow struct {
	eventrow.Row `bun:",extend"`
	Under        eventrow.JSON `bun:"under_key"`
}

// scan calls fn with the events of the whole table, key by key, those of a key
// in their order. An event that changed a key comes under both. It holds one
// page at a time.
// Events that are written meanwhile are left out, so that it ends.
func (q *query) scan(ctx context.Context, fn func(under eventrow.JSON, e *found) error) error {
	var end sql.NullInt64
	if err := q.from(nil).ColumnExpr("max(e.seq)").Scan(ctx, &end); err != nil {
		return fmt.Errorf("retrieval: read events: %w", q.explain(err))
	}
	for _, keys := range q.scans() {
		if err := q.scanKeys(ctx, keys, end.Int64, fn); err != nil {
			return err
		}
	}
	return nil
}

// scanned are the keys of a scan.
type scanned uint8

const (
	allKeys   scanned = iota
	shortKeys         // those that are their own heads
	longKeys
)

// scans are those of which the scan of a table consists. MySQL has an index in the
// order of the heads, which isn't that of longer keys: the few of these are sorted.
func (q *query) scans() []scanned {
	if q.dialect() == dialect.MySQL {
		return []scanned{shortKeys, longKeys}
	}
	return []scanned{allKeys}
}

func (q *query) scanKeys(ctx context.Context, keys scanned, end int64, fn func(under eventrow.JSON, e *found) error) error {
	var last keyedRow
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var rows []keyedRow
		sel := q.db.NewSelect().
			TableExpr("(SELECT * FROM (?) AS n UNION ALL SELECT * FROM (?) AS o) AS e",
				q.scanBranch(isKey, keys, last, end), q.scanBranch(wasKey, keys, last, end)).
			OrderExpr("under_key, seq")
		if err := set(sel.Limit, scanSize).Scan(ctx, &rows); err != nil {
			return fmt.Errorf("retrieval: read events: %w", q.explain(err))
		}
		for i := range rows {
			e, err := rows[i].ToEvent()
			if err != nil {
				return wrap(err)
			}
			if err := fn(rows[i].Under, &found{e, rows[i].Seq}); err != nil {
				return err
			}
		}
		if len(rows) < scanSize {
			return nil
		}
		last = rows[len(rows)-1]
	}
}

// scanBranch selects a page of the events that have a key in one of the columns.
func (q *query) scanBranch(column keyColumn, keys scanned, last keyedRow, end int64) *bun.SelectQuery {
	name, head := bun.Ident(column.name), bun.Ident(column.head)
	sel := q.whereTable(q.from(nil)).ColumnExpr("e.? AS under_key", name).ColumnExpr("e.*").
		Where("e.? IS NOT NULL", name).
		Where("e.seq <= ?", end)
	switch keys {
	case shortKeys:
		sel, name = sel.Where("e.? IS NOT NULL AND e.? = e.?", head, head, name), head
	case longKeys:
		sel = sel.Where("char_length(e.?) = ? AND e.? <> e.?", head, eventrow.KeyHead, head, name)
	}
	sel = sel.OrderExpr("e.?, e.seq", name)
	if last.Seq != 0 {
		sel = sel.Where("e.? >= ? AND (e.? > ? OR e.seq > ?)", name, last.Under, name, last.Under, last.Seq)
	}
	return set(sel.Limit, scanSize)
}

// eachRow replays the history of the whole table up to the time t, and calls fn
// with each key and with the row that had it then.
func (q *query) eachRow(ctx context.Context, t time.Time, wholes []found, fn func(key string, s *state) error) error {
	var under string
	var row *keyFold     // nil for a key that is to be left out
	var partial []string // keys that the scan alone doesn't tell enough of
	done := func() error {
		if row == nil {
			return nil
		}
		if s := row.end(); s != nil {
			return fn(row.key, s)
		}
		if partial = append(partial, row.key); len(partial) < batchKeys {
			return nil
		}
		keys := partial
		partial = nil
		return q.statesAt(ctx, keys, t, wholes, fn)
	}
	err := q.scan(ctx, func(stored eventrow.JSON, e *found) error {
		if string(stored) != under {
			if err := done(); err != nil {
				return err
			}
			under = string(stored)
			var err error
			if row, err = q.newKeyFold(ctx, stored, t, wholes); err != nil {
				return err
			}
		}
		if row == nil {
			return nil
		}
		return row.apply(e)
	})
	if err == nil {
		err = done()
	}
	if err != nil {
		return err
	}
	return q.statesAt(ctx, partial, t, wholes, fn)
}

// keyFold replays the events of one key, whichever rows have it.
type keyFold struct {
	query *query
	key   string
	time  time.Time
	rest  []found // the events about the whole table that are still to come

	state      state
	next       *found    // the first event that is too late, if it says that the row was there before
	moved      bool      // the row has come from another key
	got        statement // by that one, if it has
	ahead      bool      // there was an event of the key that is too late
	late       bool      // there was one of the key or of the whole table
	disordered bool      // and one that isn't after it: the clocks differed
}

// readKey returns the canonical text of a key that was read, and the one with the
// names of columns that the key has where it is stored.
func (q *query) readKey(raw eventrow.JSON) (key, stored string, err error) {
	var named sink.Values
	if err := json.Unmarshal(raw, &named); err != nil {
		return "", "", fmt.Errorf("retrieval: read key: %w", err)
	}
	if stored, err = canonicalKey(named); err != nil {
		return "", "", err
	}
	key, err = canonicalKey(currentKey(q.model, named))
	return key, stored, err
}

// newKeyFold begins with a key as it is stored. Where a column of the key had
// other names, the key comes once for each: it is replayed as a whole for the
// latest name, and the result is nil for the others.
func (q *query) newKeyFold(ctx context.Context, stored eventrow.JSON, t time.Time, wholes []found) (*keyFold, error) {
	key, text, err := q.readKey(stored)
	if err != nil {
		return nil, err
	}
	k := &keyFold{query: q, key: key, state: *unheardOf(key), time: t, rest: wholes}
	if variants := q.variants(key); len(variants) > 1 {
		k.disordered = true
		if later := variants[:max(slices.Index(variants, text), 0)]; len(later) > 0 {
			for _, column := range []keyColumn{isKey, wasKey} {
				is, err := q.ofKeys(column, later).Exists(ctx)
				if err != nil {
					return nil, fmt.Errorf("retrieval: read events: %w", q.explain(err))
				}
				if is {
					return nil, nil
				}
			}
		}
	}
	return k, nil
}

func (k *keyFold) apply(e *found) error {
	k.advance(e.seq)
	was, is, err := keysOf(k.query.model, e)
	switch {
	case err != nil:
		return err
	case e.Op == sink.Erase:
		return nil
	case e.Time.After(k.time):
		if !k.ahead && was == k.key && e.Op != sink.Insert {
			k.next = e
		}
		k.ahead, k.late = true, true
		return nil
	}
	k.disordered = k.disordered || k.late
	switch {
	case leaves(&e.Event) && was == k.key && k.got.is(statementOf(&e.Event)): // that is the row that had the key before
		return nil
	case is != k.key: // the row has another key from now on
		k.state, k.moved = state{presence: gone, last: e}, false
		return nil
	case was != k.key: // a row gets this key
		k.state, k.moved, k.got = state{}, true, statementOf(&e.Event)
	case e.Op == sink.Insert, e.Op == sink.Delete && !e.Soft:
		k.state, k.moved = state{}, false
	}
	k.state.apply(k.query.model, e)
	return nil
}

// advance replays what happened to the whole table before an event.
func (k *keyFold) advance(seq int64) {
	for ; len(k.rest) > 0 && k.rest[0].seq < seq; k.rest = k.rest[1:] {
		if k.rest[0].Time.After(k.time) {
			k.late = true
			continue
		}
		k.disordered = k.disordered || k.late
		k.state.apply(k.query.model, &k.rest[0])
	}
}

// end returns the row that has the key, or nil where its events under the key alone
// don't tell.
func (k *keyFold) end() *state {
	k.advance(math.MaxInt64)
	if k.disordered || k.moved {
		return nil
	}
	if k.state.presence == unsure && k.state.gap == nil {
		k.state.gap = k.next
	}
	return &k.state
}
