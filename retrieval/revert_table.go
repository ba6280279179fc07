package retrieval

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/sink"
)

func (r *reverter) liveTable(ctx context.Context, db bun.IDB, name string) (*live.Table, error) {
	if table := r.tables[name]; table != nil {
		return table, nil
	}
	m, err := r.modelOf(name)
	if err != nil {
		return nil, err
	}
	table, err := live.Load(ctx, db, m)
	if err == nil {
		r.tables[name] = table
	}
	return table, err
}

// leaveOut leaves columns as they will be.
func (u *undo) leaveOut(columns map[string]bool) {
	maps.DeleteFunc(u.then, func(name string, _ json.RawMessage) bool { return columns[name] })
	u.masked = slices.DeleteFunc(u.masked, func(name string) bool { return columns[name] })
}

// truncated refuses to undo what has become of rows since before a truncation: what
// ended them then isn't among their events, and can't be undone.
func (r *reverter) truncated(ctx context.Context, q *query) error {
	if !q.keyed {
		return nil // it is among the events of the table
	}
	if err := q.settle(ctx); err != nil {
		return err
	}
	one := *q
	one.keyed, one.keys, one.forms, one.conds = false, nil, nil, slices.Clip(q.conds)
	one.whereText("op", []string{string(sink.Truncate)})
	wholes, err := q.wholes(ctx)
	if err != nil {
		return err
	}
	var failed error
	err = one.each(ctx, 0, 0, func(e *found) bool {
		for _, key := range q.keys {
			was, err := q.stateUpTo(ctx, q, key, e.seq-1, wholes)
			switch {
			case err != nil:
				failed = err
			case was.presence == there:
				failed = fmt.Errorf("the %s of %s can't be undone (event %s)", e.Op, e.Table, e.ID)
			}
			if failed != nil {
				return false
			}
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}
