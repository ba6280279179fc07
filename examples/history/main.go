// History tells the life of one row on an embedded SQLite database: its versions,
// what it was before, what is different, a change taken back, and one that was
// made behind the hook's back.
//
//	go run ./examples/history
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// Customer is audited: every change to it is on record.
type Customer struct {
	bun.BaseModel `bun:"table:customers,audit"`

	ID   int64 `bun:",pk,autoincrement"`
	Name string
	Note string
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	pool, err := sql.Open(sqliteshim.ShimName, "file::memory:")
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	pool.SetMaxOpenConns(1) // or each connection has a database of its own
	db := bun.NewDB(pool, sqlitedialect.New())

	// The story takes place in a week, so the clock is ours.
	now := time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)
	events := sqlsink.New()
	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events, Now: func() time.Time { return now }}))
	if err := events.CreateTable(ctx, db); err != nil {
		return err
	}
	if _, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(ctx); err != nil {
		return err
	}
	if err := live(ctx, db, func(days int) { now = now.AddDate(0, 0, days) }); err != nil {
		return err
	}
	return ask(ctx, db, out, now)
}

// live is what happens to the customer.
func live(ctx context.Context, db *bun.DB, pass func(days int)) error {
	jane := &Customer{Name: "Jane Doe", Note: "Calls on Mondays.\nLikes tea.\n"}
	if _, err := db.NewInsert().Model(jane).Exec(ctx); err != nil {
		return err
	}
	pass(3)
	ctx = bunaudit.WithActor(ctx, sink.Actor{Type: "user", ID: "1"})
	jane.Name, jane.Note = "Jane Smith", "Calls on Mondays.\nLikes coffee.\n"
	if _, err := db.NewUpdate().Model(jane).WherePK().Exec(bunaudit.WithReason(ctx, "she married")); err != nil {
		return err
	}
	pass(3)
	_, err := db.NewDelete().Model(jane).WherePK().Exec(bunaudit.WithReason(ctx, "tidying up"))
	pass(1)
	return err
}

// ask asks history about her.
func ask(ctx context.Context, db *bun.DB, out io.Writer, now time.Time) error {
	p := printer{out: out}
	history := func() *retrieval.Query[Customer] { return retrieval.For[Customer](db).Key(1) }

	p.say("Her versions:")
	for row, err := range history().Versions(ctx) {
		if err != nil {
			return err
		}
		p.say("  %s %s %q", row.Event.Time.Format("Mon"), row.Event.Op, row.Event.Reason)
	}

	week := now.AddDate(0, 0, -5)
	was, err := history().AsOf(ctx, week)
	if err != nil {
		return err
	}
	p.say("On %s she was %s.", week.Format("Mon"), was.Name)

	diff, err := history().Diff(ctx, week, week.AddDate(0, 0, 2))
	if err != nil {
		return err
	}
	p.say("Two days later:\n%s", diff)

	deleted, err := history().Last(ctx)
	if err != nil {
		return err
	}
	n, err := retrieval.ForAll(db).Tx(deleted.Tx).Revert(ctx, retrieval.RevertOptions{Reason: "she is still a customer"})
	if err != nil {
		return err
	}
	p.say("Taken back: %d row.", n)

	// Somebody else's program changes the table.
	if _, err := db.DB.ExecContext(ctx, "UPDATE customers SET name = 'Mallory'"); err != nil {
		return err
	}
	for finding, err := range retrieval.For[Customer](db).Verify(ctx, retrieval.VerifyOptions{}) {
		if err != nil {
			return err
		}
		p.say("Behind the hook's back: %s", finding)
	}
	return p.err
}

// printer prints until it can't.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) say(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format+"\n", args...)
	}
}
