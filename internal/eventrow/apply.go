package eventrow

import (
	"context"
	"errors"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/migrate"
)

// Apply runs DDL statements in one transaction, where the database can do that.
// Programs that start at the same time and apply the same ones wait for each
// other.
func Apply(ctx context.Context, db bun.IDB, stmts []string) error {
	switch db.Dialect().Name() {
	case dialect.PG:
		stmts = append([]string{lock}, stmts...)
	case dialect.MySQL:
		if _, open := db.(bun.Tx); open {
			return errors.New("on MariaDB and MySQL it would commit the transaction: give it the *bun.DB")
		}
		return Run(ctx, db, stmts)
	}
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return Run(ctx, tx, stmts) })
}

// lock keeps two programs from changing tables at once, for which IF NOT EXISTS
// is not enough: transactions that both find nothing collide in the catalog. The
// number is arbitrary, and the same in every version of this package.
const lock = "SELECT pg_advisory_xact_lock(7237980812453)"

// Lock waits, on PostgreSQL, until no other program changes tables of this
// library, and keeps others waiting until tx ends.
func Lock(ctx context.Context, tx bun.Tx) error { return Run(ctx, tx, []string{lock}) }

// Run runs statements one after the other, as they are.
func Run(ctx context.Context, db bun.IDB, stmts []string) error {
	for _, stmt := range stmts {
		// As an argument, the text is not searched for placeholders.
		if _, err := db.NewRaw("?", bun.Safe(stmt)).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// AddMigration adds the one migration that register registers. Bun takes its
// name from the file that does so; the table's name is added, so that two tables
// can be migrated by one migrator.
func (t Table) AddMigration(ms *migrate.Migrations, register func(*migrate.Migrations)) {
	one := migrate.NewMigrations()
	register(one)
	for _, m := range one.Sorted() {
		m.Name += "_" + t.String()
		ms.Add(m)
	}
}

// DDL returns stmt with the table's quoted name in place of its placeholder.
func (t Table) DDL(d Dialect, stmt string) string {
	return strings.Replace(stmt, "?", t.Quoted(d), 1)
}
