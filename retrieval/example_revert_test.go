package retrieval_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/retrieval"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func ExampleQuery_Revert() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()
	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: sqlsink.New()}))

	if _, err := db.NewCreateTable().Model((*Seat)(nil)).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	seat := Seat{Tenant: "acme", No: 7, Label: "window"}
	if _, err := db.NewInsert().Model(&seat).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := db.NewDelete().Model(&seat).WherePK().Exec(ctx); err != nil {
		log.Fatal(err)
	}

	deleted, err := retrieval.For[Seat](db).Key("acme", 7).Last(ctx)
	if err != nil {
		log.Fatal(err)
	}
	n, err := retrieval.ForAll(db).Tx(deleted.Tx).Revert(ctx, retrieval.RevertOptions{Reason: "deleted by mistake"})
	fmt.Println(n, err)

	var back Seat
	err = db.NewSelect().Model(&back).Scan(ctx)
	fmt.Println(back.Tenant, back.No, back.Label, err)
	// Output:
	// 1 <nil>
	// acme 7 window <nil>
}
