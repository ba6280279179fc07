// Command bunaudit asks an audit trail from the command line. It needs no Go
// model: tables go by their names, as events have them, and values are JSON.
//
//	export BUNAUDIT_DB=postgres://…
//	bunaudit history customers --key id=2 --since 30d
//	bunaudit as-of customers --key id=2 --at 2026-01-02
//	bunaudit diff customers --key id=2 --since 2026-01-02
//	bunaudit prune sessions --until 180d
//	bunaudit partitions --add 3 --detach-before 540d --drop --yes
//	bunaudit export --by 42 --format csv
//	bunaudit check
//
// The database is given by --db or the environment variable BUNAUDIT_DB, which
// other users of the machine can't see:
//
//   - postgres://user:password@host/database for PostgreSQL,
//   - mysql://user:password@tcp(host:3306)/database for MariaDB: what follows
//     mysql:// is the data source name of go-sql-driver/mysql,
//   - sqlite:file or the name of a file for SQLite.
//
// What compares history with the audited tables, or writes to them, has to mean by
// a column what the hook means: a program that knows the models adds those
// commands, verify, baseline and revert, in a few lines. See package cli, which
// also says what a command prints, and how it ends.
package main
