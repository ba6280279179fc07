package cli_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/bunaudit/cmd/bunaudit/cli"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

type Room struct {
	bun.BaseModel `bun:"table:rooms,audit"`

	ID    int64 `bun:",pk"`
	Price int64
}

// openHotel opens the database as all programs of the hotel do.
func openHotel(ctx context.Context) (*bun.DB, error) {
	pool, err := sql.Open(sqliteshim.ShimName, "file:hotel?mode=memory&cache=shared")
	if err != nil {
		return nil, err
	}
	events := sqlsink.New()
	db := bun.NewDB(pool, sqlitedialect.New())
	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events}))
	if err := events.CreateTable(ctx, db); err != nil {
		return nil, err
	}
	_, err = db.NewCreateTable().Model((*Room)(nil)).IfNotExists().Exec(ctx)
	return db, err
}

// A program that has the commands for its models. In its main it is
// cli.Main(cfg).
func ExampleRun() {
	ctx := context.Background()
	db, err := openHotel(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	if _, err := db.NewInsert().Model(&Room{ID: 7, Price: 90}).Exec(ctx); err != nil {
		fmt.Println(err)
	}
	if _, err := db.DB.ExecContext(ctx, "UPDATE rooms SET price = 9"); err != nil { // behind the hook's back
		fmt.Println(err)
	}

	cfg := cli.Config{
		Name:   "hotel-audit",
		Open:   func(ctx context.Context, _ string) (*bun.DB, error) { return openHotel(ctx) },
		Models: []cli.Model{cli.For[Room]()},
	}
	fmt.Println(cli.Run(ctx, cfg, []string{"verify", "rooms"}, "", os.Stdout, os.Stdout))
	// Output:
	// TABLE  KEY       FINDING  FIELD  HISTORY  TABLE HAS
	// rooms  {"id":7}  differs  price  90       9
	// hotel-audit: rows that differ from their history: 1
	// 1
}
