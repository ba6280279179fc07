package main

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// workload is something that is done over and over.
type workload struct {
	name string

	// rows are in the table before.
	rows int

	// run does it for the nth time, counted from 0, without an audit or with one that needs nothing
	// of the application but the actor.
	run func(ctx context.Context, db bun.IDB, n int) error

	// byHand does it with an audit written by hand, in a transaction.
	byHand func(ctx context.Context, tx bun.IDB, n int) error

	// transaction says that run wants a transaction, which the others open by
	// themselves.
	transaction bool

	// clients do it at the same time; 0 means one.
	clients int

	// events is how many events each run makes.
	events int

	// feed makes sure that the runs from from to to find what they need.
	feed func(ctx context.Context, db bun.IDB, from, to int) error
}

const (
	bulkRows = 10_000 // in the region north: see fill
	slice    = 1_000
	tableHas = 20_000
	hotRows  = 4
)

func workloads() []workload {
	return []workload{
		{
			name: "insert", rows: 1000, events: 1,
			run: func(ctx context.Context, db bun.IDB, n int) error {
				c := newCustomer(n)
				_, err := db.NewInsert().Model(&c).ExcludeColumn("id").Returning("id").Exec(ctx)
				return err
			},
			byHand: func(ctx context.Context, tx bun.IDB, n int) error {
				c := newCustomer(n)
				return insertByHand(ctx, tx, []*customer{&c})
			},
		},
		{
			name: "update by key", rows: 1000, events: 1,
			run: func(ctx context.Context, db bun.IDB, n int) error { return update(ctx, db, int64(n%1000)+1, n) },
			byHand: func(ctx context.Context, tx bun.IDB, n int) error {
				return updateByHand(ctx, tx, setting(n), "id = ?", int64(n%1000)+1)
			},
		},
		{
			name: "delete by key", rows: 1000, events: 1, // and those that feed gives
			run: func(ctx context.Context, db bun.IDB, n int) error {
				_, err := db.NewDelete().Model((*customer)(nil)).Where("id = ?", deletable+n).Exec(ctx)
				return err
			},
			byHand: func(ctx context.Context, tx bun.IDB, n int) error { return deleteByHand(ctx, tx, int64(deletable+n)) },
			feed: func(ctx context.Context, db bun.IDB, from, to int) error {
				return fill(ctx, db, deletable+from, deletable+to-1)
			},
		},
		{
			name: "upsert", rows: 1000, events: 1, // every other time it finds the row
			run: func(ctx context.Context, db bun.IDB, n int) error {
				c := newCustomer(n / 2)
				c.Score = int64(n)
				_, err := upsert(db, &c).Returning("id").Exec(ctx)
				return err
			},
			byHand: func(ctx context.Context, tx bun.IDB, n int) error {
				c := newCustomer(n / 2)
				c.Score = int64(n)
				return upsertByHand(ctx, tx, &c)
			},
		},
		{
			name: "update of 1 row by condition", rows: 1000, events: 1,
			run: func(ctx context.Context, db bun.IDB, n int) error {
				_, err := db.NewUpdate().Model((*customer)(nil)).Set("score = score + 1").Where("email = ?", john(n%1000+1)).Exec(ctx)
				return err
			},
			byHand: func(ctx context.Context, tx bun.IDB, n int) error {
				return updateByHand(ctx, tx, scored, "email = ?", john(n%1000+1))
			},
		},
		{
			name: "transaction of 10 updates", rows: 1000, events: 10, transaction: true,
			run: func(ctx context.Context, tx bun.IDB, n int) error {
				for i := range 10 {
					if err := update(ctx, tx, int64((10*n+i)%1000)+1, 10*n+i); err != nil {
						return err
					}
				}
				return nil
			},
			byHand: func(ctx context.Context, tx bun.IDB, n int) error {
				for i := range 10 {
					if err := updateByHand(ctx, tx, setting(10*n+i), "id = ?", int64((10*n+i)%1000)+1); err != nil {
						return err
					}
				}
				return nil
			},
		},
		{
			name: "16 clients on hot rows", rows: 1000, events: 1, clients: 16,
			run: func(ctx context.Context, db bun.IDB, n int) error { return update(ctx, db, int64(n%hotRows)+1, n) },
			byHand: func(ctx context.Context, tx bun.IDB, n int) error {
				return updateByHand(ctx, tx, setting(n), "id = ?", int64(n%hotRows)+1)
			},
		},
		{
			name: "insert of 1,000 rows", rows: 1000, events: slice,
			run: func(ctx context.Context, db bun.IDB, n int) error {
				rows := newCustomers(n)
				_, err := db.NewInsert().Model(&rows).ExcludeColumn("id").Returning("id").Exec(ctx)
				return err
			},
			byHand: func(ctx context.Context, tx bun.IDB, n int) error { return insertByHand(ctx, tx, newCustomers(n)) },
		},
		{
			name: "update of 10,000 rows by condition", rows: tableHas, events: bulkRows,
			run: func(ctx context.Context, db bun.IDB, _ int) error {
				_, err := scored(db.NewUpdate().Model((*customer)(nil))).Where("region = ?", "north").Exec(ctx)
				return err
			},
			byHand: func(ctx context.Context, tx bun.IDB, _ int) error {
				return updateByHand(ctx, tx, scored, "region = ?", "north")
			},
		},
	}
}

// deletable is the first key of the rows that are there to be deleted.
const deletable = 1_000_000

// update changes three columns of a row, to values that it never had.
func update(ctx context.Context, db bun.IDB, id int64, n int) error {
	c := changed(id, n)
	_, err := db.NewUpdate().Model(&c).Column("name", "score", "note").WherePK().Exec(ctx)
	return err
}

func changed(id int64, n int) customer {
	c := newCustomer(n)
	note := "called back by " + c.Name
	c.ID, c.Score, c.Note = id, c.Score+1, &note
	return c
}

// setting makes the same change of whichever row a statement finds.
func setting(n int) func(*bun.UpdateQuery) *bun.UpdateQuery {
	c := changed(0, n)
	return func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("name = ?", c.Name).Set("score = ?", c.Score).Set("note = ?", c.Note)
	}
}

func scored(q *bun.UpdateQuery) *bun.UpdateQuery { return q.Set("score = score + 1") }

func upsert(db bun.IDB, c *customer) *bun.InsertQuery {
	return db.NewInsert().Model(c).ExcludeColumn("id").On("CONFLICT (email) DO UPDATE").Set("score = EXCLUDED.score")
}

func newCustomers(n int) []*customer {
	rows := make([]*customer, slice)
	for i := range rows {
		c := newCustomer(slice*n + i)
		rows[i] = &c
	}
	return rows
}

// john is the address of the row with the key id, see fill.
func john(id int) string { return fmt.Sprintf("john.doe.%d@example.org", id) }
