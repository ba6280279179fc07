package retrieval_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/sqlaudit/bun/retrieval"
)

func ExampleQuery_AsOf() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	before := time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC)
	jane, err := retrieval.For[Customer](db).Key(2).AsOf(ctx, before)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(jane.ID, jane.Name)

	_, err = retrieval.For[Customer](db).Key(2).AsOf(ctx, before.AddDate(-1, 0, 0))
	fmt.Println(errors.Is(err, sql.ErrNoRows))
	// Output:
	// 2 Jane Doe
	// true
}

func ExampleQuery_RowsAsOf() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	// The whole table; Key and Keys ask for some of it.
	for row, err := range retrieval.For[Customer](db).RowsAsOf(ctx, time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC)) {
		if err != nil {
			log.Fatal(err)
		}
		customer, err := row.Model()
		fmt.Println(customer.ID, customer.Name, row.Event.Op, err)
	}
	// Output:
	// 1 John Roe insert <nil>
	// 2 Jane Doe insert <nil>
}

func ExampleQuery_Versions() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	var before retrieval.Row[Customer]
	for row, err := range retrieval.For[Customer](db).Key(2).Versions(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s by %s\n%s", row.Event.Time.Format("15:04"), row.Event.Actor.ID, before.Diff(row))
		before = row
	}
	// Output:
	// 04:04 by 1
	// created
	// id: 2
	// name: Jane Doe
	// 05:04 by 1
	// name: Jane Doe -> Jane Smith
}

func ExampleQuery_Diff() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	from := time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC)
	diff, err := retrieval.For[Customer](db).Key(2).Diff(ctx, from, from.Add(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(diff)
	// Output: name: Jane Doe -> Jane Smith
}
