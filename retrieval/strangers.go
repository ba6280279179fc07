package retrieval

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/sink"
)

// strangers goes through all rows of the table, for those that history has not
// heard of, or nothing certain.
func (v *verifier) strangers(ctx context.Context) error {
	table := v.table.Keys()
	var after *live.Row
	blind := int64(0)
	for _, w := range v.wholes {
		if w.Op == sink.Opaque {
			blind = w.seq
		}
	}
	for {
		rows, err := table.Page(ctx, v.db, after, batchSize)
		if err != nil {
			return fmt.Errorf("retrieval: verify: read rows: %w", err)
		}
		keys := make([]string, len(rows))
		for i, row := range rows {
			keys[i] = row.CanonicalKey()
		}
		known, err := v.heardOf(ctx, v.allVariants(keys), blind)
		if err != nil {
			return err
		}
		keys = slices.DeleteFunc(keys, func(key string) bool { return known[key] })
		if err := v.judgeStrangers(ctx, keys); err != nil {
			return err
		}
		v.progress(len(rows))
		if len(rows) < batchSize {
			return nil
		}
		after = &rows[len(rows)-1]
	}
}

// judgeStrangers looks at rows again that history seems not to know, all in one
// snapshot: of a table that isn't on record that is every row. Of what it isn't
// sure of it looks at one after the other.
func (v *verifier) judgeStrangers(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	doubtful := map[string]bool{}
	var rows map[string]*live.Row
	err := v.inSnapshot(ctx, func(ctx context.Context, one *query) error {
		wholes, err := one.wholes(ctx)
		if err != nil {
			return err
		}
		for _, key := range keys {
			doubtful[key] = len(wholes) > 0
		}
		stored := one.allVariants(keys)
		for _, column := range []keyColumn{isKey, wasKey} {
			if err := one.mentioned(ctx, column, stored, doubtful); err != nil {
				return err
			}
		}
		rows, err = v.rows(ctx, one.db, keys)
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		row := rows[key]
		switch {
		case doubtful[key]:
			err = v.again(ctx, key)
		case row != nil: // else it was deleted meanwhile
			err = v.yield(Finding{Kind: Unknown, Key: row.KeyValues()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mentioned marks those of the keys that events have in a column.
func (q *query) mentioned(ctx context.Context, column keyColumn, stored []string, keys map[string]bool) error {
	return q.mark(ctx, q.ofKeys(column, stored), column, keys)
}

// mark marks the keys that the events of a query have in a column.
func (q *query) mark(ctx context.Context, events *bun.SelectQuery, column keyColumn, keys map[string]bool) error {
	var rows []keyedRow
	if err := events.Distinct().ColumnExpr("e.? AS under_key", bun.Ident(column.name)).Scan(ctx, &rows); err != nil {
		return fmt.Errorf("retrieval: read keys: %w", q.explain(err))
	}
	for _, row := range rows {
		key, _, err := q.readKey(row.Under)
		if err != nil {
			return err
		}
		keys[key] = true
	}
	return nil
}

// heardOf returns those of the keys that have an event after the one with the
// number.
func (q *query) heardOf(ctx context.Context, stored []string, after int64) (map[string]bool, error) {
	known := map[string]bool{}
	if len(stored) == 0 {
		return known, nil
	}
	events := q.ofKeys(isKey, stored).Where("e.seq > ?", after).Where("e.op <> ?", string(sink.Erase))
	return known, q.mark(ctx, events, isKey, known)
}
