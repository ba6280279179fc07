package retrieval_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// openHistory returns a database in which user 1 added two customers and
// renamed one of them, an hour apart each.
func openHistory(ctx context.Context) *bun.DB {
	pool, err := sql.Open(sqliteshim.ShimName, "file::memory:")
	if err != nil {
		log.Fatal(err)
	}
	pool.SetMaxOpenConns(1) // or each connection has a database of its own
	db := bun.NewDB(pool, sqlitedialect.New())
	store := sqlsink.New()
	if err := store.CreateTable(ctx, db); err != nil {
		log.Fatal(err)
	}
	// The hook of package bunaudit makes these.
	insert := func(id, name string) sink.Event {
		return sink.Event{Op: sink.Insert, Key: sink.Values{"id": json.RawMessage(id)}, Changes: map[string]sink.Change{"name": {New: json.RawMessage(name)}}}
	}
	events := []sink.Event{insert("1", `"John Roe"`), insert("2", `"Jane Doe"`), {
		Op: sink.Update, Key: sink.Values{"id": json.RawMessage("2")}, Reason: "marriage", Meta: map[string]string{"request_id": "r-118"},
		Changes: map[string]sink.Change{
			"name":  {Old: json.RawMessage(`"Jane Doe"`), New: json.RawMessage(`"Jane Smith"`)},
			"email": {Mask: sink.Redacted},
		},
	}}
	for i := range events {
		e := &events[i]
		e.ID, e.Tx = uuid(i+1), uuid(100+i)
		e.Time = start().Add(time.Duration(i) * time.Hour)
		e.Table, e.Model = "customers", "Customer"
		e.Actor = sink.Actor{ID: "1", Type: "user"}
	}
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return store.Write(ctx, tx, events) })
	if err != nil {
		log.Fatal(err)
	}
	return db
}

func show(seq func(func(retrieval.Change, error) bool)) {
	for change, err := range seq {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(change)
	}
}

func Example() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	for change, err := range retrieval.For[Customer](db).Key(2).Field("name").By("1").Changes(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change)
	}
	// Output:
	// FIELD name SET AT 2026-01-02T04:04:05Z TO Jane Doe BY user 1
	// FIELD name CHANGED AT 2026-01-02T05:04:05Z FROM Jane Doe TO Jane Smith BY user 1
}

func ExampleFor() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	show(retrieval.For[Customer](db).Op(sink.Update).Changes(ctx))
	// Output:
	// FIELD name CHANGED AT 2026-01-02T05:04:05Z FROM Jane Doe TO Jane Smith BY user 1
	// FIELD email CHANGED AT 2026-01-02T05:04:05Z FROM [redacted] TO [redacted] BY user 1
}

func ExampleForTable() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	events, err := retrieval.ForTable(db, "customers").Key(map[string]any{"id": 2}).All(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events {
		after, err := e.New() // JSON by column
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s\n", e.Op, after["name"])
	}
	// Output:
	// insert "Jane Doe"
	// update "Jane Smith"
}

func ExampleQuery_Key() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	n, err := retrieval.For[Customer](db).Key(2).Count(ctx)
	fmt.Println(n, err)

	// A value of the model has a key too.
	n, err = retrieval.For[Customer](db).Key(&Customer{ID: 1}).Count(ctx)
	fmt.Println(n, err)

	// A key of two columns, in the order of the model.
	n, err = retrieval.For[Seat](db).Key("acme", 7).Count(ctx)
	fmt.Println(n, err)

	_, err = retrieval.For[Seat](db).Key("acme").Count(ctx)
	var wrong *retrieval.KeyError
	fmt.Println(errors.As(err, &wrong), err)
	// Output:
	// 2 <nil>
	// 1 <nil>
	// 0 <nil>
	// true retrieval: key of Seat (tenant, no): give 2 values, one for each column in this order, not 1
}

func ExampleQuery_Keys() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	show(retrieval.For[Customer](db).Keys(1, 2).Op(sink.Insert).Changes(ctx))
	// Output:
	// FIELD name SET AT 2026-01-02T03:04:05Z TO John Roe BY user 1
	// FIELD name SET AT 2026-01-02T04:04:05Z TO Jane Doe BY user 1
}

func ExampleQuery_Field() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	_, err := retrieval.For[Customer](db).Field("nmae").All(ctx)
	var unknown *retrieval.UnknownFieldError
	if errors.As(err, &unknown) {
		fmt.Println(unknown.Field, "is none of", unknown.Known)
	}
	// Output: nmae is none of [id name email phone nick since address]
}

func ExampleQuery_Between() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	t0 := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	show(retrieval.For[Customer](db).Field("name").Between(t0, t0.Add(time.Hour)).Changes(ctx))
	show(retrieval.For[Customer](db).Field("name").Between(t0.Add(2*time.Hour), time.Time{}).Changes(ctx))
	// Output:
	// FIELD name SET AT 2026-01-02T03:04:05Z TO John Roe BY user 1
	// FIELD name CHANGED AT 2026-01-02T05:04:05Z FROM Jane Doe TO Jane Smith BY user 1
}

func ExampleQuery_NewestFirst() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	show(retrieval.For[Customer](db).Field("name").NewestFirst().Limit(1).Changes(ctx))
	// Output: FIELD name CHANGED AT 2026-01-02T05:04:05Z FROM Jane Doe TO Jane Smith BY user 1
}

func ExampleQuery_Reason() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	n, err := retrieval.For[Customer](db).
		ByActor(sink.Actor{Type: "user"}).
		Reason("marriage").
		Meta("request_id", "r-118").
		Tx(uuid(102)).
		Count(ctx)
	fmt.Println(n, err)
	// Output: 1 <nil>
}

func ExampleQuery_Events() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	for event, err := range retrieval.For[Customer](db).Key(2).Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		was, err := event.Old()
		if err != nil {
			log.Fatal(err)
		}
		is, err := event.New()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %d: %q %q\n", event.Op, is.ID, was.Name, is.Name)
	}
	// Output:
	// insert 2: "" "Jane Doe"
	// update 2: "Jane Doe" "Jane Smith"
}

func ExampleQuery_All() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	events, err := retrieval.For[Customer](db).By("1").Limit(2).All(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events {
		fmt.Println(e.Op, string(e.Key["id"]), len(e.Fields()))
	}
	// Output:
	// insert 1 1
	// insert 2 1
}

func ExampleCollect() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	changes, err := retrieval.Collect(retrieval.For[Customer](db).Field("name").Changes(ctx))
	fmt.Println(len(changes), err)
	// Output: 3 <nil>
}

func ExampleOld() {
	ctx := context.Background()
	db := openHistory(ctx)
	defer db.Close()

	for change, err := range retrieval.For[Customer](db).Key(2).Field("name").Changes(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		was, had := retrieval.Old[string](change)
		is, has := retrieval.New[string](change)
		fmt.Printf("%q %t, %q %t\n", was, had, is, has)
	}
	// Output:
	// "" false, "Jane Doe" true
	// "Jane Doe" true, "Jane Smith" true
}
