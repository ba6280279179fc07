package oracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// moment is what the tables were at a time at which no statement ran.
type moment struct {
	at   time.Time
	rows map[*table]map[string]row
}

// look takes a moment, away from the times of events before and after it.
func (w *World) look(ctx context.Context, tables []*table) (moment, error) {
	if err := w.settle(ctx); err != nil {
		return moment{}, err
	}
	pause(ctx, time.Millisecond)
	m := moment{at: time.Now(), rows: map[*table]map[string]row{}}
	pause(ctx, time.Millisecond)
	for _, t := range tables {
		rows, err := w.readLive(ctx, t)
		if err != nil {
			return m, fmt.Errorf("oracle: look at %s: %w", t.name, err)
		}
		m.rows[t] = rows
	}
	return m, nil
}

// history lists where the history that package retrieval makes of the events
// differs from the tables: as they were at the moments, and as they are without
// some of the transactions, once those are reverted.
func (w *World) history(ctx context.Context, r *rand.Rand, rec *record, moments []moment) ([]string, error) {
	var found []string
	for _, m := range moments {
		for t, rows := range m.rows {
			found = append(found, w.asOf(ctx, t, m.at, rows)...)
		}
	}
	for i := 0; i < reverted && len(found) == 0 && len(rec.events) > 0; i++ {
		last := len(rec.events) - 1
		tx := rec.events[last-r.IntN(min(recent, last+1))].tx
		wrong := w.revert(ctx, rec, tx, fmt.Sprint("revert ", i))
		var err error
		if rec, err = w.load(ctx); err != nil {
			return nil, err
		}
		found = append(wrong, compare(rec)...)
	}
	return found, nil
}

const (
	reverted = 3  // transactions in a round
	recent   = 30 // events whose transactions may be; on most others later ones build
)

// asOf compares rows with those that the history has for a time.
func (w *World) asOf(ctx context.Context, t *table, at time.Time, rows map[string]row) []string {
	c := &comparison{}
	left := maps.Clone(rows)
	told, err := w.rowsAsOf(ctx, t, at)
	if err != nil {
		c.report("rows of %s as of %s: %v", t.name, at, err)
		return c.found
	}
	for _, got := range told {
		key := normalEvent(json.RawMessage(encode(got.Key)))
		want, ok := left[key]
		if !ok {
			c.report("rows of %s as of %s: %s was not there", t.name, at, key)
			continue
		}
		delete(left, key)
		if have := t.told(got.Values); !maps.Equal(have, t.plain(want)) {
			c.report("rows of %s as of %s: %s was %v, and came out as %v", t.name, at, key, t.plain(want), have)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		c.report("rows of %s as of %s: %s is missing", t.name, at, key)
	}
	return c.found
}

// rowsAsOf reads again where a connection is used that was ended while the clients
// ran, and says so now.
func (w *World) rowsAsOf(ctx context.Context, t *table, at time.Time) (rows []retrieval.Row[sink.Values], err error) {
	for range 10 {
		rows, err = retrieval.Collect(retrieval.ForTable(w.audited, t.name).RowsAsOf(ctx, at))
		if err == nil || ctx.Err() != nil || !isDisturbance(err) {
			break
		}
	}
	return rows, err
}

// plain is what the history tells of a row in full.
func (t *table) plain(r row) row {
	out := row{}
	for _, col := range t.columns {
		if col.tracked && col.mask == "" {
			out[col.name] = r[col.name]
		}
	}
	return out
}

func (t *table) told(values map[string]json.RawMessage) row {
	out := row{}
	for name, raw := range values {
		out[name] = normalEvent(raw)
	}
	return t.plain(out)
}

// revert reverts a transaction. If what came later does not build on it, the
// tables are then as if it had never been; if nothing came later to its rows, it
// can't fail for that.
func (w *World) revert(ctx context.Context, rec *record, tx, label string) []string {
	without, ok := rec.without(tx, w.sql)
	if !ok {
		return nil
	}
	ctx = bunaudit.WithMeta(ctx, "label", label)
	_, err := retrieval.ForAll(w.audited).Tx(tx).Revert(ctx, retrieval.RevertOptions{Reason: "to see", SkipMasked: true})
	c := &comparison{}
	want := without.rows
	switch {
	case err == nil && without.builds: // on what has come back since
		return nil
	case err == nil:
	case errors.Is(err, retrieval.ErrConflict) && without.meets, isExpected(err), unfit(err):
		want = rec.live
	default:
		c.report("revert of %s: %v", tx, err)
		return c.found
	}
	for t, rows := range want {
		live, err := w.readLive(ctx, t)
		if err != nil {
			c.report("revert of %s: %v", tx, err)
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			if is, ok := live[key]; !ok || !maps.Equal(t.plain(is), t.plain(rows[key])) {
				c.report("revert of %s: the row %s %s should be %v, and is %v", tx, t.name, key, t.plain(rows[key]), t.plain(is))
			}
		}
		for key := range live {
			if _, ok := rows[key]; !ok {
				c.report("revert of %s: the row %s %s should not be there", tx, t.name, key)
			}
		}
	}
	return c.found
}

// unfit is whether a row has a value that its model can't hold, as SQLite has them
// in columns of integers.
func unfit(err error) bool { return strings.Contains(err.Error(), "does not fit the type") }

// alternative is what would be without a transaction.
type alternative struct {
	rows   map[*table]map[string]row
	builds bool // a later event finds something else than it says
	meets  bool // a later event is about a row of the transaction's
}

// without plays the events but for those of a transaction. It reports false where
// that can't be reverted: it has truncated a table, or triggers change what is
// written.
func (r *record) without(tx string, f flavour) (a alternative, ok bool) {
	a.rows = map[*table]map[string]row{}
	for _, t := range r.tables {
		a.rows[t] = map[string]row{}
	}
	own := map[string]bool{}
	for i := range r.events {
		e := &r.events[i]
		key, oldKey := e.table.name+" "+e.key, e.table.name+" "+e.oldKey
		switch {
		case e.tx != tx:
			a.builds = e.apply(a.rows[e.table]) != "" || a.builds || e.op == "truncate" && len(own) > 0
			a.meets = a.meets || own[key] || own[oldKey] || e.op == "truncate" && len(own) > 0
		case e.op == "truncate", e.table.name == "odd wares" && f != (sqlite{}):
			return a, false
		default:
			own[key] = true
			if e.oldKey != "" {
				own[oldKey] = true
			}
		}
	}
	return a, true
}
