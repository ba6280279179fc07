package sqlsink_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"
	"github.com/uptrace/bun/migrate"

	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// open opens a database in memory. It has one connection because each
// connection would have a database of its own.
func open() *bun.DB {
	pool, err := sql.Open(sqliteshim.ShimName, "file::memory:")
	if err != nil {
		panic(err)
	}
	pool.SetMaxOpenConns(1)
	return bun.NewDB(pool, sqlitedialect.New())
}

func renamed() []sink.Event {
	return []sink.Event{{
		ID: "0195e4a0-0000-7000-8000-000000000001", Tx: "0195e4a0-0000-7000-8000-000000000000",
		Time: time.Date(2025, 3, 30, 12, 0, 0, 0, time.UTC), Op: sink.Update,
		Table: "customers", Model: "Customer", Actor: sink.Actor{ID: "1", Type: "user"},
		Key:     sink.Values{"id": json.RawMessage("7")},
		Changes: map[string]sink.Change{"name": {Old: json.RawMessage(`"Jane Doe"`), New: json.RawMessage(`"Jane Smith"`)}},
	}}
}

func Example() {
	ctx := context.Background()
	db := open()
	defer func() { _ = db.Close() }()

	events := sqlsink.New()
	if err := events.CreateTable(ctx, db); err != nil {
		panic(err)
	}
	// db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events})) makes the hook
	// call the sink for each change. This is what it does then:
	err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		return events.Write(ctx, tx, renamed())
	})
	fmt.Println(err)

	// The history is plain SQL, or package retrieval.
	var key, changes, actor string
	err = db.NewSelect().Table("audit_events").Column("key", "changes", "actor_id").
		Where("table_name = ?", "customers").Order("seq").Scan(ctx, &key, &changes, &actor)
	fmt.Println(key, changes, actor, err)
	// Output:
	// <nil>
	// {"id":7} {"name":{"old":"Jane Doe","new":"Jane Smith"}} 1 <nil>
}

func ExampleSink_Write() {
	ctx := context.Background()
	db := open()
	defer func() { _ = db.Close() }()
	events := sqlsink.New()

	err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		return events.Write(ctx, tx, renamed())
	})
	fmt.Println(errors.Is(err, sqlsink.ErrNoTable))

	_ = events.CreateTable(ctx, db)
	undo := errors.New("undo")
	_ = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		fmt.Println(events.Write(ctx, tx, renamed()))
		return undo
	})
	n, _ := db.NewSelect().Table("audit_events").Count(ctx)
	fmt.Println(n, "events of a change that was rolled back")
	// Output:
	// true
	// <nil>
	// 0 events of a change that was rolled back
}

func ExampleSink_Check() {
	ctx := context.Background()
	db := open()
	defer func() { _ = db.Close() }()
	events := sqlsink.New(sqlsink.Table("history"))

	check := func() error {
		return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return events.Check(ctx, tx) })
	}
	fmt.Println("table is missing:", errors.Is(check(), sqlsink.ErrNoTable))
	_ = events.CreateTable(ctx, db)
	fmt.Println(check())
	// Output:
	// table is missing: true
	// <nil>
}

func ExampleMigrations() {
	ctx := context.Background()
	db := open()
	defer func() { _ = db.Close() }()

	migrations := migrate.NewMigrations() // the application's own
	for _, m := range sqlsink.Migrations().Sorted() {
		migrations.Add(m)
	}

	migrator := migrate.NewMigrator(db, migrations)
	if err := migrator.Init(ctx); err != nil {
		panic(err)
	}
	group, err := migrator.Migrate(ctx)
	fmt.Println(group, err)
	// Output: group #1 (20261123000000_audit_events_create_events) <nil>
}

// Events in a database of their own.
func ExampleWithDB() {
	ctx := context.Background()
	audited, trail := open(), open()
	defer func() { _, _ = audited.Close(), trail.Close() }()

	events := sqlsink.New(sqlsink.WithDB(trail))
	if err := events.CreateTable(ctx, trail); err != nil {
		panic(err)
	}
	undo := errors.New("undo")
	_ = audited.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		fmt.Println(events.Write(ctx, tx, renamed()))
		return undo
	})
	n, _ := trail.NewSelect().Table("audit_events").Count(ctx)
	fmt.Println(n, "event, although the change was rolled back")
	// Output:
	// <nil>
	// 1 event, although the change was rolled back
}

// A table of another name, on PostgreSQL in a schema of its own.
func ExampleTable() {
	ctx := context.Background()
	db := open()
	defer func() { _ = db.Close() }()
	if err := sqlsink.New(sqlsink.Table("customer history")).CreateTable(ctx, db); err != nil {
		panic(err)
	}
	n, err := db.NewSelect().TableExpr("?", bun.Name("customer history")).Count(ctx)
	fmt.Println(n, err)

	_ = sqlsink.New(sqlsink.Schema("audit"), sqlsink.Table("events")) // PostgreSQL: audit.events
	// Output: 0 <nil>
}

// Months of history that come and go, on PostgreSQL.
func ExampleSink_DetachPartitions() {
	ctx := context.Background()
	db := open() // SQLite: on PostgreSQL the months are printed
	defer func() { _ = db.Close() }()
	events := sqlsink.New(sqlsink.Monthly())
	if err := events.CreateTable(ctx, db); err != nil {
		panic(err)
	}

	nightly := func() error {
		if _, err := events.AddPartitions(ctx, db, 3); err != nil {
			return err
		}
		gone, err := events.DetachPartitions(ctx, db, time.Now().AddDate(0, -18, 0), sqlsink.DetachOptions{Drop: true})
		for _, month := range gone {
			fmt.Println(month.Name, month.Events, "events")
		}
		return err
	}
	fmt.Println(nightly())
	// Output: sqlsink: add partitions: the table is not partitioned: that is for PostgreSQL
}
