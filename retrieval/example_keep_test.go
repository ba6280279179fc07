package retrieval_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

func ExampleQuery_Erase() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	ctx = bunaudit.WithActor(ctx, sink.Actor{Type: "user", ID: "dpo"})
	ctx = bunaudit.WithReason(ctx, "GDPR request 118")
	n, err := retrieval.For[Customer](db).Key(2).Erase(ctx, "name")
	fmt.Println(n, err)
	last, err := retrieval.For[Customer](db).Key(2).Last(ctx)
	fmt.Println(last.Op, last.Actor.ID, last.Reason, err)
	// Output:
	// 2 <nil>
	// erase dpo GDPR request 118 <nil>
}

func ExampleQuery_Prune() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	old := time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC)
	n, err := retrieval.For[Customer](db).Until(old).Prune(ctx, retrieval.PruneOptions{DryRun: true})
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleQuery_WriteCSV() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	if _, err := retrieval.For[Customer](db).Key(2).Field("name").Op(sink.Update).WriteCSV(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// time,op,table,key,field,old,new,mask,actor_id,actor_type,actor_name,on_behalf_of,reason,tx,event
	// 2026-01-02T05:04:05Z,update,customers,"{""id"":2}",name,"""Jane Doe""","""Jane Smith""",,1,user,,,marriage,00000000-0000-7000-8000-000000000066,00000000-0000-7000-8000-000000000003
}
