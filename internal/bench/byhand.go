package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// handEvent is the row of the table of events, as someone who writes it by hand
// would declare it.
type handEvent struct {
	bun.BaseModel `bun:"table:audit_events,alias:e"`

	ID        string                `bun:"id,type:uuid"`
	Time      time.Time             `bun:"time"`
	Op        string                `bun:"op"`
	Table     string                `bun:"table_name"`
	Model     string                `bun:"model"`
	Key       map[string]int64      `bun:"key,type:jsonb"`
	Changes   map[string]handChange `bun:"changes,type:jsonb"`
	ActorID   string                `bun:"actor_id"`
	ActorType string                `bun:"actor_type"`
	Tx        string                `bun:"tx,type:uuid"`
}

type handChange struct {
	Old any `json:"old,omitempty"`
	New any `json:"new,omitempty"`
}

// record inserts an event for each pair of a row before and after, nil where
// there was none.
func record(ctx context.Context, tx bun.IDB, old, new []*customer) error {
	txID := newID()
	events := make([]handEvent, len(new))
	for i := range events {
		e := handEvent{ID: newID(), Time: time.Now(), Table: "customers", Model: "Customer",
			Changes: make(map[string]handChange), ActorID: actor.ID, ActorType: actor.Type, Tx: txID}
		switch o, n := old[i], new[i]; {
		case o == nil:
			e.Op, e.Key = "insert", map[string]int64{"id": n.ID}
			for name, value := range n.columns() {
				e.Changes[name] = handChange{New: value}
			}
		case n == nil:
			e.Op, e.Key = "delete", map[string]int64{"id": o.ID}
			for name, value := range o.columns() {
				e.Changes[name] = handChange{Old: value}
			}
		default:
			e.Op, e.Key = "update", map[string]int64{"id": n.ID}
			before := o.columns()
			for name, value := range n.columns() {
				if before[name] != value {
					e.Changes[name] = handChange{Old: before[name], New: value}
				}
			}
		}
		events[i] = e
	}
	_, err := tx.NewInsert().Model(&events).Returning("NULL").Exec(ctx)
	return err
}

func (c *customer) columns() map[string]any {
	note := any(nil)
	if c.Note != nil {
		note = *c.Note
	}
	return map[string]any{"name": c.Name, "email": c.Email, "region": c.Region, "score": c.Score,
		"balance": c.Balance, "active": c.Active, "note": note, "updated_at": c.UpdatedAt.UTC()}
}

// insertByHand inserts, and records what RETURNING says.
func insertByHand(ctx context.Context, tx bun.IDB, rows []*customer) error {
	if _, err := tx.NewInsert().Model(&rows).Returning("*").Exec(ctx); err != nil {
		return err
	}
	return record(ctx, tx, make([]*customer, len(rows)), rows)
}

// updateByHand locks the rows for which where holds, changes them by set, and
// records both.
func updateByHand(ctx context.Context, tx bun.IDB, set func(*bun.UpdateQuery) *bun.UpdateQuery, where string, args ...any) error {
	var old, after []*customer
	if err := tx.NewSelect().Model(&old).Where(where, args...).For("UPDATE").Scan(ctx); err != nil {
		return err
	}
	if _, err := set(tx.NewUpdate().Model(&after)).Where(where, args...).Returning("*").Exec(ctx); err != nil {
		return err
	}
	before := make(map[int64]*customer, len(old))
	for _, c := range old {
		before[c.ID] = c
	}
	pairs := make([]*customer, len(after))
	for i, c := range after {
		if pairs[i] = before[c.ID]; pairs[i] == nil {
			return fmt.Errorf("row %d wasn't locked", c.ID)
		}
	}
	return record(ctx, tx, pairs, after)
}

func deleteByHand(ctx context.Context, tx bun.IDB, id int64) error {
	old := new(customer)
	if err := tx.NewSelect().Model(old).Where("id = ?", id).For("UPDATE").Scan(ctx); err != nil {
		return err
	}
	if _, err := tx.NewDelete().Model((*customer)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
		return err
	}
	return record(ctx, tx, []*customer{old}, []*customer{nil})
}

func upsertByHand(ctx context.Context, tx bun.IDB, c *customer) error {
	var found []*customer
	if err := tx.NewSelect().Model(&found).Where("email = ?", c.Email).For("UPDATE").Scan(ctx); err != nil {
		return err
	}
	if _, err := upsert(tx, c).Returning("*").Exec(ctx); err != nil {
		return err
	}
	old := []*customer{nil}
	if len(found) > 0 {
		old = found
	}
	return record(ctx, tx, old, []*customer{c})
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
