package sqlsink

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// CreateTable creates what is missing of the schema, the table and its indexes,
// in one transaction. It does nothing where all is there, and may be called by
// several programs that start at the same time. It never alters a table. With
// [Monthly] it makes the partitions of this month and the three after it, and
// fails where there is a table without partitions: the migrations convert it.
//
// db is the database that holds the table: the audited one, or that of
// [WithDB]. It may be a [bun.Tx], except on MariaDB and MySQL, where creating
// anything would commit it: there that is an error, and nothing is done.
func (s *Sink) CreateTable(ctx context.Context, db bun.IDB) error {
	var err error
	if s.partitioned(db) {
		err = s.createMonthly(ctx, db)
	} else {
		err = s.execAll(ctx, db, s.table.Create)
	}
	if err != nil {
		return fmt.Errorf("sqlsink: create table: %w", err)
	}
	return nil
}

// Migrations returns the migrations of this sink's table, see the function
// [Migrations].
func (s *Sink) Migrations() *migrate.Migrations {
	ms := migrate.NewMigrations()
	s.table.AddMigration(ms, func(one *migrate.Migrations) { registerCreateEvents(one, s) })
	if s.monthly {
		s.table.AddMigration(ms, func(one *migrate.Migrations) { registerPartitionEvents(one, s) })
	}
	return ms
}

// Migrations returns the migrations of the table that a sink made by [New] with
// the same options writes to, for Bun's migrator. They find out at run time
// which database they run on. New versions of this package add to them.
//
// Their names start with the time of their making, as Bun's do, and end with
// the name of the table, so they can be added to the application's own:
//
//	for _, m := range sqlsink.Migrations().Sorted() {
//		migrations.Add(m)
//	}
//
// Rolling the first one back drops the table and with it the whole audit trail.
// It leaves the schema. With [Monthly] there is a second one, which gives
// partitions to a table that has none: docs/schema.md says how. Rolling that one
// back changes nothing.
func Migrations(opts ...Option) *migrate.Migrations { return New(opts...).Migrations() }

// execAll runs the statements of a dialect in one transaction, where the
// database can do that.
func (s *Sink) execAll(ctx context.Context, db bun.IDB, ddl func(eventrow.Dialect) ([]string, error)) error {
	stmts, err := ddl(db.Dialect())
	if err != nil {
		return err
	}
	return eventrow.Apply(ctx, db, stmts)
}
