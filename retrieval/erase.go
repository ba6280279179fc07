package retrieval

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/auditctx"
	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// Erase takes the values of these fields out of all events of the rows with the
// query's keys, under whatever keys the rows were, and returns how many events it
// has changed. Their [sink.Change] has the mask [sink.Erased] from then on. An
// event of the operation [sink.Erase] is left for each key: by whom and when, from
// bunaudit.WithActor, which the context must have, and why, from
// bunaudit.WithReason.
//
// It all happens in one transaction or not at all, and only to the history: erase
// the table's own values first, since that is a change, whose old values are
// recorded. A key can't be erased, nor a reason or meta data that names somebody.
// Copies, such as what was sent to Kafka, are the caller's to find. The user of
// the database needs UPDATE on the table of events.
//
// A key that no event has is [sql.ErrNoRows]. So that a name that was mistyped isn't
// taken for one that is erased, a field is an [*UnknownFieldError] where the model
// doesn't track it, and in a query of [ForTable] an error where no event has it.
func (q *Query[M]) Erase(ctx context.Context, fields ...string) (int, error) {
	n, err := q.erase(ctx, fields)
	if err != nil {
		return 0, fmt.Errorf("retrieval: erase: %w", err)
	}
	return n, nil
}

func (q *query) erase(ctx context.Context, fields []string) (int, error) {
	if err := q.onlyKeys(ctx, false); err != nil {
		return 0, err
	}
	switch {
	case len(q.keys) == 0:
		return 0, errors.New("name the keys of the rows")
	case len(fields) == 0:
		return 0, errors.New("name the fields")
	case auditctx.Actor(ctx).IsZero():
		return 0, errors.New("say who erases, by bunaudit.WithActor")
	}
	var columns, names []string
	for _, field := range fields {
		column, ok := q.column(field)
		if !ok {
			return 0, &UnknownFieldError{Model: q.name, Field: field, Known: q.columns()}
		}
		if _, isKey := unheardOf(q.keys[0]).key[column]; isKey {
			return 0, fmt.Errorf("%s is a part of the key, by which the events are found", column)
		}
		columns = append(columns, column)
		names = append(names, q.names(column)...)
	}
	n := 0
	err := q.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		one := *q
		one.db = tx
		if one.onSQLite() {
			if err := one.claim(ctx, tx); err != nil {
				return err
			}
		}
		if err := one.mentionsAll(ctx); err != nil {
			return err
		}
		seen := map[string]bool{}
		err := one.pages(ctx, 0, 0, func(page []found) (bool, error) {
			for i := range page {
				for name := range page[i].Changes {
					seen[name] = true
				}
				changed, err := one.eraseFrom(ctx, tx, &page[i], names)
				if err != nil {
					return false, err
				}
				if changed {
					n++
				}
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		m := q.model
		if m == nil {
			if err := allSeen(columns, seen); err != nil {
				return err
			}
			m = &model.Model{Table: q.table}
		}
		events := newEvents(ctx, m, sink.Erase, len(q.keys))
		for i, key := range q.keys {
			events[i].Key = unheardOf(key).key
			events[i].Changes = map[string]sink.Change{}
			for _, column := range columns {
				events[i].Changes[column] = sink.Change{Mask: sink.Erased}
			}
		}
		return one.insert(ctx, tx, events)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// mentionsAll refuses keys that no event has: who mistyped one would believe that
// the row's values are gone.
func (q *query) mentionsAll(ctx context.Context) error {
	stored := q.allVariants(q.keys)
	known := map[string]bool{}
	for _, column := range []keyColumn{isKey, wasKey} {
		if err := q.mentioned(ctx, column, stored, known); err != nil {
			return err
		}
	}
	for _, key := range q.keys {
		if !known[key] {
			return fmt.Errorf("no event has the key %s: %w", key, sql.ErrNoRows)
		}
	}
	return nil
}

// allSeen does the same with the names of fields, where no model has them.
func allSeen(columns []string, seen map[string]bool) error {
	for _, column := range columns {
		if !seen[column] {
			return fmt.Errorf("no event of the rows has a field %s: they have %s", column, strings.Join(slices.Sorted(maps.Keys(seen)), ", "))
		}
	}
	return nil
}

// eraseFrom takes values out of an event, and reports whether it had any.
func (q *query) eraseFrom(ctx context.Context, tx bun.Tx, e *found, names []string) (bool, error) {
	changed := false
	for name, c := range e.Changes {
		if slices.Contains(names, name) && (c.Old != nil || c.New != nil) {
			e.Changes[name] = sink.Change{Mask: sink.Erased}
			changed = true
		}
	}
	if !changed {
		return false, nil
	}
	row, err := eventrow.FromEvent(&e.Event)
	if err != nil {
		return false, err
	}
	_, err = tx.NewUpdate().Model((*eventrow.Row)(nil)).ModelTableExpr("?", q.events.Expr()).
		Set("changes = ?", row.Changes).Where("seq = ?", e.seq).
		Where("time = ?", row.Time). // says in which partition it is
		Exec(ctx)
	return err == nil, err
}
