package retrieval_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sqlaudit/bun/retrieval"
)

func ExampleForAll() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	for event, err := range retrieval.ForAll(db).By("1").NewestFirst().Limit(2).Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Table, event.Op, string(event.Key["id"]))
	}
	// Output:
	// customers update 2
	// customers insert 2
}

func ExampleQuery_WhereNew() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	event, err := retrieval.For[Customer](db).Key(2).WhereOld("name", "Jane Doe").WhereNew("name", "Jane Smith").First(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.Time, event.Reason)
	// Output: 2026-01-02 05:04:05 +0000 UTC marriage
}

func ExampleQuery_Page() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	for cursor := ""; ; {
		page, err := retrieval.For[Customer](db).NewestFirst().Limit(2).After(cursor).Page(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(page.Events), page.Next != "")
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	// Output:
	// 2 true
	// 1 false
}

func ExampleQuery_Previous() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	q := retrieval.For[Customer](db).Key(2)
	last, err := q.Last(ctx)
	if err != nil {
		log.Fatal(err)
	}
	before, err := q.Previous(ctx, last)
	fmt.Println(last.Op, before.Op, err)
	// Output: update insert <nil>
}

func ExampleQuery_Transactions() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	for tx, err := range retrieval.For[Customer](db).Key(2).NewestFirst().Transactions(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s %q: %d events\n", tx.Time.Format("15:04"), tx.Actor.ID, tx.Reason, len(tx.Events))
	}
	// Output:
	// 05:04 1 "marriage": 1 events
	// 04:04 1 "": 1 events
}
