package kafkasink_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// openExample is an empty database in memory.
func openExample() *bun.DB {
	pool, err := sql.Open(sqliteshim.ShimName, "file::memory:?cache=shared")
	if err != nil {
		panic(err)
	}
	return bun.NewDB(pool, sqlitedialect.New())
}

// A consumer gets the event back, whatever it reads the topic with.
func ExampleDecode() {
	message, err := kafkasink.Encode(kafkasink.Message{Source: "/shop", Sequence: 17, Event: sink.Event{
		ID: "019b7cde-2a08-7000-8000-000000000001", Tx: "019b7cde-2a08-7000-8000-000000000000",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Op: sink.Update, Table: "customers", Model: "Customer",
		Key:     sink.Values{"id": json.RawMessage("2")},
		Changes: map[string]sink.Change{"name": {Old: json.RawMessage(`"Jane Doe"`), New: json.RawMessage(`"Jane Smith"`)}},
	}})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", message.Key)

	got, err := kafkasink.Decode(message)
	if err != nil {
		panic(err)
	}
	change := got.Event.Changes["name"]
	fmt.Printf("%s %d: %s %s -> %s\n", got.Source, got.Sequence, got.Event.Op, change.Old, change.New)
	// Output:
	// customers|2
	// /shop 17: update "Jane Doe" -> "Jane Smith"
}
