// Package sqlsink stores events in a table of an SQL database.
//
// Create the table once, and give the sink to the hook:
//
//	events := sqlsink.New()
//	if err := events.CreateTable(ctx, db); err != nil { … }
//	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events}))
//
// Where the database is under Bun's migrations, take the table into them
// instead of CreateTable:
//
//	for _, m := range sqlsink.Migrations().Sorted() {
//		migrations.Add(m)
//	}
//
// [Table] and [Schema] name another table, [WithDB] another database, and [Monthly]
// partitions the table by month on PostgreSQL. Package
// retrieval reads the table; docs/schema.md describes it for those who query it
// with SQL.
//
// # Guarantees
//
// The events are written by the transaction that changes the rows, and nothing
// else: they become visible when it commits, and are gone when it rolls back.
// A write that fails, also half-way through many events, leaves no event behind
// in a transaction that goes on. The column seq has the order in which the
// events were written, so for each row the order of its changes.
//
// A [Sink] doesn't change after [New] and may be used by any number of
// goroutines and hooks.
//
// # Limits
//
// PostgreSQL, MariaDB, MySQL and SQLite. The order of seq between transactions is the order of
// writing, not of committing: a reader that polls for seq above the last one
// that it saw can miss a transaction that commits late. With [WithDB] events
// and changes no longer commit together. The table grows by about 0.7 kB an
// event, indexes included, and this package never deletes from it. Some values
// can't be stored on PostgreSQL and are refused there; docs/schema.md lists
// them.
package sqlsink
