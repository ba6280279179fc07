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
		var stored []string
		for i, row := range rows {
			keys[i] = row.CanonicalKey()
			stored = append(stored, v.variants(keys[i])...)
		}
		known, err := v.heardOf(ctx, stored, blind)
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
		var stored []string
		for _, key := range keys {
			doubtful[key] = len(wholes) > 0
			stored = append(stored, one.variants(key)...)
		}
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
	var rows []keyedRow
	err := q.ofKeys(column, stored).Distinct().ColumnExpr("e.? AS under_key", bun.Ident(column.name)).Scan(ctx, &rows)
	if err != nil {
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
	var rows []keyedRow
	err := q.ofKeys(isKey, stored).Distinct().ColumnExpr("e.key AS under_key").
		Where("e.seq > ?", after).
		Where("e.op <> ?", string(sink.Erase)).
		Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("retrieval: read keys: %w", err)
	}
	for _, row := range rows {
		key, _, err := q.readKey(row.Under)
		if err != nil {
			return nil, err
		}
		known[key] = true
	}
	return known, nil
}
