package kafkasink

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/migrate"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// The endings of the names of the outbox's companions.
const (
	deadEnding   = "_dead"
	leaseEnding  = "_lease"
	topicsEnding = "_topics"
)

// The DDL of the small tables is the same on every dialect, but for the quotes.
// docs/kafka.md says what is in them.
const (
	leaseTable = `CREATE TABLE IF NOT EXISTS ? (
  name varchar(100) NOT NULL PRIMARY KEY,
  holder varchar(255) NOT NULL,
  term bigint NOT NULL,
  beat bigint NOT NULL,
  ttl_ms bigint NOT NULL
)`
	topicsTable = `CREATE TABLE IF NOT EXISTS ? (
  topic varchar(255) NOT NULL PRIMARY KEY,
  partitions bigint NOT NULL
)`
)

// table is a companion of the outbox.
func (s *Sink) table(ending string) eventrow.Table {
	return eventrow.Table{Schema: s.cfg.Schema, Name: s.cfg.Table + ending}
}

func (s *Sink) create(d eventrow.Dialect) ([]string, error) {
	stmts, err := s.cfg.outbox().CreateQueue(d)
	if err != nil {
		return nil, err
	}
	dead, err := s.table(deadEnding).CreateQueue(d,
		eventrow.Column{Name: "topic", Type: "varchar(255) NOT NULL"},
		eventrow.Column{Name: "error", Type: "text NOT NULL"},
		eventrow.Column{Name: "failed_at", Type: timeType(d)})
	if err != nil {
		return nil, err
	}
	stmts = append(stmts, dead...)
	return append(stmts, s.table(leaseEnding).DDL(d, leaseTable), s.table(topicsEnding).DDL(d, topicsTable)), nil
}

func (s *Sink) drop(d eventrow.Dialect) ([]string, error) {
	var stmts []string
	for _, t := range []eventrow.Table{s.cfg.outbox(), s.table(deadEnding), s.table(leaseEnding), s.table(topicsEnding)} {
		drop, err := t.Drop(d)
		if err != nil {
			return nil, err
		}
		stmts = append(stmts, drop...)
	}
	return stmts, nil
}

// timeType is the type of a column with an [eventrow.Time].
func timeType(d eventrow.Dialect) string {
	if d.Name() == dialect.PG {
		return "timestamptz NOT NULL"
	}
	return "char(27) NOT NULL"
}

// CreateTable creates what is missing of the outbox and its companions: the
// dead letters, the lease of the relays, and what is known of the topics. It does
// nothing where all is there, and may be called by several programs that start at
// the same time. It never alters a table. db is the audited database.
func (s *Sink) CreateTable(ctx context.Context, db bun.IDB) error {
	if s.cfg.Delivery == Direct {
		return errDirect
	}
	stmts, err := s.create(db.Dialect())
	if err == nil {
		err = eventrow.Apply(ctx, db, stmts)
	}
	if err != nil {
		return fmt.Errorf("kafkasink: create outbox: %w", err)
	}
	return nil
}

// Migrations returns the migrations of the outbox and its companions, for Bun's
// migrator. Their names start with the time of their making, as Bun's do, and end
// with the name of the table, so they can be added to the application's own:
//
//	for _, m := range events.Migrations().Sorted() {
//		migrations.Add(m)
//	}
//
// Rolling the first one back drops the outbox, with the events that were not
// published yet, and the dead letters.
func (s *Sink) Migrations() *migrate.Migrations {
	ms := migrate.NewMigrations()
	if s.cfg.Delivery == Outbox {
		s.cfg.outbox().AddMigration(ms, func(one *migrate.Migrations) { registerCreateOutbox(one, s) })
	}
	return ms
}

func (s *Sink) dropTable(ctx context.Context, db bun.IDB) error {
	stmts, err := s.drop(db.Dialect())
	if err == nil {
		err = eventrow.Apply(ctx, db, stmts)
	}
	if err != nil {
		return fmt.Errorf("kafkasink: drop outbox: %w", err)
	}
	return nil
}
