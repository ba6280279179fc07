// Package cli is the command bunaudit, for programs that know the audited models.
//
// The command itself needs no model, and has history, as-of, diff, prune,
// partitions, export and check. A program of yours adds verify, baseline and revert: these
// read and write the audited tables, and only the models say which columns are
// tracked, masked, hashed or soft-deleted, and what the values of SQLite's and
// MariaDB's types mean. A guess would report differences that there are not.
//
//	func main() {
//		cli.Main(cli.Config{
//			Open:   func(ctx context.Context, name string) (*bun.DB, error) { return shop.OpenDB(ctx) },
//			Models: []cli.Model{cli.For[shop.Customer](), cli.For[shop.Invoice]()},
//		})
//	}
//
// Then, beside all that bunaudit does:
//
//	shop-audit verify                        # every model, or: verify customers --key id=2
//	shop-audit baseline customers --reason "go live" --yes
//	shop-audit revert customers --key id=2 --since 1h --reason "typo" --yes
//	shop-audit revert --tx 0195e4a0-… --reason "wrong import" --yes
//
// The package is in a module of its own, so that what it needs isn't needed by
// who doesn't use it. It brings neither drivers nor dialects of Bun: the program
// opens the database with its own, in its versions.
//
// # Guarantees
//
// Results go to the standard output, everything else to the standard error:
// errors, hints, and on a terminal how far a long work is. --json makes each result
// a line of JSON. No event is written or deleted and no row changed without
// --yes. The name of the database, which may have a password in it, is never
// printed; what Open says in an error is.
//
// The exit code is
//
//   - 0 where all went well,
//   - 1 where something failed, there was no such row, history is incomplete, or
//     verify has found something,
//   - 2 where the command was not understood; then nothing was done.
//
// # Limits
//
// Of several models with the same table verify and baseline take each, and revert
// the first. Erase has no command: it is done in somebody's name, by a program.
package cli
