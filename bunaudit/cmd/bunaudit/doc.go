// Command bunaudit asks an audit trail from the command line. It needs no Go
// model: tables go by their names, as events have them, and values are JSON.
//
//	export BUNAUDIT_DB=postgres://…
//	bunaudit history customers --key id=2 --since 30d
//	bunaudit as-of customers --key id=2 --at 2026-01-02
//	bunaudit prune sessions --until 180d
//	bunaudit export --by 42 --format csv
//	bunaudit check
//
// The database is given by --db or the environment variable BUNAUDIT_DB, which
// other users of the machine can't see:
//
//   - postgres://user:password@host/database for PostgreSQL,
//   - mysql://user:password@tcp(host:3306)/database for MariaDB and MySQL: what
//     follows mysql:// is the data source name of go-sql-driver/mysql,
//   - sqlite:file or the name of a file for SQLite.
//
// Results go to the standard output, everything else to the standard error.
// --json makes each result a line of JSON.
//
// # Guarantees
//
// Nothing but prune --yes changes the database. The name of the database, which
// may have a password in it, is never printed.
//
// The exit code is 0 where all went well, 1 where something failed, there was
// no such row, or history is incomplete, and 2 where the command was not
// understood; then nothing was done.
//
// # Limits
//
// What compares history with the audited table, or writes to it, needs the Go
// model and is in package retrieval alone: Verify, Baseline, Revert; so is
// Erase, which needs an actor.
package main
