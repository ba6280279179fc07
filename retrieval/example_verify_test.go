package retrieval_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sqlaudit/bun/retrieval"
)

func ExampleQuery_Verify() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	// Two seats that history does not know, until they are on record.
	if _, err := db.NewCreateTable().Model((*Seat)(nil)).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	seats := []Seat{{Tenant: "acme", No: 1}, {Tenant: "acme", No: 2}}
	if _, err := db.NewInsert().Model(&seats).Exec(ctx); err != nil { // without a hook
		log.Fatal(err)
	}
	for finding, err := range retrieval.For[Seat](db).Verify(ctx, retrieval.VerifyOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(finding)
	}
	n, err := retrieval.For[Seat](db).Baseline(ctx, retrieval.BaselineOptions{})
	fmt.Println(n, "recorded", err)
	for finding, err := range retrieval.For[Seat](db).Verify(ctx, retrieval.VerifyOptions{}) {
		fmt.Print(finding, err)
	}
	// Output:
	// unknown {"no":1,"tenant":"acme"}
	// unknown {"no":2,"tenant":"acme"}
	// 2 recorded <nil>
}
