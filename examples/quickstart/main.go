// Quickstart tells the whole story in one process, on an embedded SQLite
// database: two customers are inserted, one is renamed by user 1, and the
// history is read back.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"os"

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
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	sqldb, err := sql.Open(sqliteshim.ShimName, "file::memory:?cache=shared")
	if err != nil {
		return err
	}
	defer func() { _ = sqldb.Close() }()
	db := bun.NewDB(sqldb, sqlitedialect.New())

	// What a service adds, beside the tag.
	events := sqlsink.New()
	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events}))

	if err := events.CreateTable(ctx, db); err != nil {
		return err
	}
	if _, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(ctx); err != nil {
		return err
	}

	// Every change through Bun is recorded from now on.
	customers := []*Customer{{Name: "Jane Doe"}, {Name: "John Brown"}}
	if _, err := db.NewInsert().Model(&customers).Exec(ctx); err != nil {
		return err
	}
	ctx = bunaudit.WithActor(ctx, sink.Actor{Type: "user", ID: "1"})
	ctx = bunaudit.WithReason(ctx, "she married")
	jane := customers[0]
	jane.Name = "Jane Smith"
	if _, err := db.NewUpdate().Model(jane).WherePK().Exec(ctx); err != nil {
		return err
	}

	for change, err := range retrieval.For[Customer](db).Changes(ctx) {
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, change); err != nil {
			return err
		}
	}
	return nil
}
