package retrieval

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/pgevent"
	"github.com/sqlaudit/bun/sink"
)

// inDatabase returns what PostgreSQL needs to make the events itself, where it
// can: a keyed hash would show its key, and a key with earlier names is compared
// in Go.
func (b *baseline) inDatabase() (*pgevent.Table, bool) {
	if b.dialect() != dialect.PG {
		return nil, false
	}
	for _, f := range b.model.Key {
		if len(b.model.Names(f.Name)) > 1 {
			return nil, false
		}
	}
	return pgevent.TableOf(b.model, b.table.Types)
}

// nextInDatabase is like next, in one statement that moves no row: which rows are
// next, their locks as far as nobody else holds them, their events as far as
// history doesn't know them, and which are held.
func (b *baseline) nextInDatabase(ctx context.Context, t *pgevent.Table, after *live.Row) (int, *live.Row, error) {
	shared := newEvents(ctx, b.model, sink.Snapshot, 1)[0]
	row, err := eventrow.FromEvent(&shared)
	if err != nil {
		return 0, nil, err
	}
	sel := eventrow.Select{Op: "'snapshot'", Key: "bunaudit_key", Changes: "bunaudit_changes"}
	soft := ""
	if t.Soft != nil {
		sel.Soft = "bunaudit_soft"
		soft = string(t.AppendWasDeleted(nil, pgevent.Qualified("t."))) + " AS bunaudit_soft, "
	}
	unknown := ""
	var args []any
	if !b.All {
		unknown = " WHERE (" + knownSince + ") IS NULL"
		args = []any{b.events.Expr(), b.query.table, b.blind, b.events.Expr(), b.query.table, b.events.Expr(), b.query.table}
	}
	// Each name hides a table of that name from what comes after it.
	query := `WITH bunaudit_page AS MATERIALIZED (?),
bunaudit_locked AS MATERIALIZED (SELECT l.* FROM bunaudit_page AS p, LATERAL (SELECT t.* FROM ? AS t WHERE ? FOR SHARE OF t SKIP LOCKED) AS l),
bunaudit_images AS (SELECT ? AS bunaudit_key, ?? AS bunaudit_changes FROM bunaudit_locked AS t),
bunaudit_logged AS (INSERT INTO ? (?) ? FROM bunaudit_images AS i` + unknown + ` RETURNING 1)
SELECT (SELECT count(*) FROM bunaudit_page), (SELECT count(*) FROM bunaudit_logged), (SELECT bunaudit_place::text FROM bunaudit_page ORDER BY ? LIMIT 1),
	(SELECT jsonb_agg((SELECT ? FROM ? AS t WHERE ?))::text FROM bunaudit_page AS p LEFT JOIN bunaudit_locked AS l ON ? WHERE l.? IS NULL)`
	name := b.model.Bun.SQLName
	key := t.AppendKey(nil, pgevent.Qualified("t."))
	args = append(append([]any{
		b.table.Places(b.db, after, b.BatchSize),
		name, b.identical("p", "t"),
		bun.Safe(key), bun.Safe(soft), bun.Safe(t.AppendImage(nil, "new", pgevent.Qualified("t."))),
		b.events.Expr(), bun.Safe(row.AppendColumns(nil, &sel)), bun.Safe(row.AppendSelect(nil, &sel, true)),
	}, args...), b.lastFirst(), bun.Safe(key), name, b.identical("p", "t"), b.identical("p", "l"),
		b.model.Identity[0].SQLName)

	var page, logged int
	var place, held *string
	if err := b.db.NewRaw(query, args...).Scan(ctx, &page, &logged, &place, &held); err != nil {
		if pgevent.IsRaised(err) {
			err = errors.New("the table was altered meanwhile: run it again")
		}
		return 0, nil, err
	}
	b.recorded += int64(logged)
	if held != nil {
		var keys []sink.Values
		if err := json.Unmarshal([]byte(*held), &keys); err != nil {
			return 0, nil, err
		}
		for _, key := range keys {
			if key != nil { // else it was deleted meanwhile
				b.held = append(b.held, key)
			}
		}
	}
	if place == nil {
		return 0, nil, nil
	}
	var last []string
	if err := json.Unmarshal([]byte(*place), &last); err != nil {
		return 0, nil, err
	}
	return page, live.At(last), nil
}

// knownSince selects the event that says what a row is as a whole, unless the row
// has gone since, or the table become uncertain. It is a scalar, as the lock is
// LATERAL, so that PostgreSQL looks up one row after the other, by the index:
// before anything is analysed it would rather read both tables, for each page.
const knownSince = `SELECT e.seq FROM ? AS e WHERE e.table_name = ? AND e.key = i.bunaudit_key AND e.op IN ('insert', 'snapshot') AND e.seq > ?
	AND NOT EXISTS (SELECT FROM ? AS d WHERE d.table_name = ? AND d.key = i.bunaudit_key AND d.op = 'delete' AND NOT d.soft AND d.seq > e.seq)
	AND NOT EXISTS (SELECT FROM ? AS m WHERE m.table_name = ? AND m.old_key = i.bunaudit_key AND m.seq > e.seq)
	LIMIT 1`

// identical is the condition that two rows are the same one.
func (b *baseline) identical(one, other string) schema.Safe {
	var terms []string
	for _, f := range b.model.Identity {
		terms = append(terms, one+"."+string(f.SQLName)+" = "+other+"."+string(f.SQLName))
	}
	return bun.Safe(strings.Join(terms, " AND "))
}

// lastFirst is the opposite of the order of a page.
func (b *baseline) lastFirst() schema.Safe {
	var terms []string
	for _, f := range b.model.Identity {
		terms = append(terms, string(f.SQLName)+" DESC")
	}
	return bun.Safe(strings.Join(terms, ", "))
}

// again reads a page once more, as a whole: by its ends, since PostgreSQL takes
// several times as long for a list of keys.
func (b *baseline) again(page []live.Row, after *live.Row) reader {
	return func(ctx context.Context, tx bun.Tx, lock string) ([]live.Row, error) {
		rows, err := b.table.Between(ctx, tx, after, &page[len(page)-1], lock)
		if err != nil {
			return nil, err
		}
		known := make(map[string]bool, len(page))
		for i := range page {
			known[page[i].CanonicalKey()] = true
		}
		// Others have come in between, with an event of their own.
		return slices.DeleteFunc(rows, func(row live.Row) bool { return !known[row.CanonicalKey()] }), nil
	}
}
