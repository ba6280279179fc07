package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// DefaultTable is the name of the table where [Table] gives no other:
// audit_events.
const DefaultTable = eventrow.DefaultTable

// Sink stores events in an SQL table. It implements [sink.Sink] and
// [sink.Checker]. Make one with [New]; it is immutable and safe for concurrent
// use.
type Sink struct {
	table   eventrow.Table
	db      *bun.DB // nil: the transaction's own database
	monthly bool
	tables  []sink.Table // for EventTables
}

var (
	_ sink.Tabled  = (*Sink)(nil)
	_ sink.Checker = (*Sink)(nil)
)

// New returns a sink that writes to the table audit_events of the audited
// database, or to what opts say. It doesn't touch the database: see
// [Sink.CreateTable].
//
// It panics where the options can't work, such as an empty table name.
func New(opts ...Option) *Sink {
	s := &Sink{table: eventrow.Table{Name: DefaultTable}}
	for _, opt := range opts {
		opt(s)
	}
	if err := s.table.Validate(); err != nil {
		panic("sqlsink: " + err.Error())
	}
	if s.db == nil {
		s.tables = []sink.Table{sink.Table(s.table)}
	}
	return s
}

// An Option changes where a [Sink] stores events.
type Option func(*Sink)

// Table sets the table's name, by default audit_events. The name is taken as it
// is and quoted: a dot is part of it, and [Schema] is the way to name a schema.
// It may have up to 51 bytes, which leaves room for the names of the indexes.
func Table(name string) Option {
	return func(s *Sink) { s.table.Name = name }
}

// Schema sets the schema that the table is in, by default none: PostgreSQL then
// takes the first of the connection's search_path. [Sink.CreateTable] creates
// the schema where it is missing. On MariaDB and MySQL it is the name of a
// database, by default the connection's. On SQLite it is the name under which a
// database was attached, to every connection of the pool.
func Schema(name string) Option {
	return func(s *Sink) { s.table.Schema = name }
}

// WithDB stores the events in a database of their own instead of the audited
// one. nil is the default: the audited database, in the transaction of the
// change.
//
// With it, an event and its change no longer commit together. The event is
// committed first: when its change then rolls back, the event of a change that
// never happened remains. The reverse is not possible: where the event can't be
// committed the change is undone, so no change is without its event.
//
// The database must be another one, not another pool on the audited one: on
// SQLite the event would wait for a lock that its own change holds. Write
// refuses the audited *bun.DB itself. Writing costs a round trip to that
// database while the transaction of the change is open.
func WithDB(db *bun.DB) Option {
	return func(s *Sink) { s.db = db }
}

// Monthly partitions the table by the month of the events' time, on PostgreSQL;
// elsewhere it changes nothing. It matters to [Sink.CreateTable] and [Migrations],
// which make the partitions too; a sink that only writes need not have it.
// [Sink.AddPartitions] makes those of later months, and [Sink.DetachPartitions]
// takes old ones away. An event whose month has no partition is stored all the
// same, in one that takes all others.
func Monthly() Option {
	return func(s *Sink) { s.monthly = true }
}

// Write stores the events, in order, all or none. It implements [sink.Sink].
//
// Without [WithDB] it uses tx alone, and tx must have a method DB() *bun.DB, as
// the one of package bunaudit has, or be a [bun.Tx]. The error is [ErrNoTable]
// where the table is missing.
func (s *Sink) Write(ctx context.Context, tx sink.Tx, events []sink.Event) error {
	if err := s.write(ctx, tx, events); err != nil {
		return fmt.Errorf("sqlsink: write events: %w", err)
	}
	return nil
}

func (s *Sink) write(ctx context.Context, tx sink.Tx, events []sink.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(events) == 0 {
		return nil
	}
	db, err := s.database(tx)
	if err != nil {
		return err
	}
	batches, err := eventrow.Encode(events)
	if err != nil {
		return err
	}
	switch {
	case s.db == nil:
		err = s.insert(ctx, db, tx, batches)
	case len(batches) == 1: // one statement needs no transaction
		err = s.table.Insert(ctx, db, db.DB, batches)
	default:
		err = db.RunInTx(ctx, nil, func(ctx context.Context, own bun.Tx) error {
			return s.table.Insert(ctx, db, own, batches)
		})
	}
	return s.explain(withContext(ctx, err))
}

// EventTables implements [sink.Tabled]. With [WithDB] there are none: the table
// is in another database than the change.
func (s *Sink) EventTables() []sink.Table { return s.tables }

// Explain implements [sink.Tabled]: the error is [ErrNoTable] where the table is
// missing.
func (s *Sink) Explain(err error) error {
	if !s.table.Concerns(err) {
		return nil
	}
	return fmt.Errorf("sqlsink: write events: %w", s.explain(err))
}

// database returns the database whose dialect and hooks the statements have.
func (s *Sink) database(tx sink.Tx) (*bun.DB, error) {
	audited := databaseOf(tx)
	switch {
	case s.db == nil && audited == nil:
		return nil, fmt.Errorf("the transaction (%T) has no method DB() *bun.DB: "+
			"hand over a bun.Tx, or the transaction that package bunaudit gives to sinks", tx)
	case s.db == nil:
		return audited, nil
	case audited != nil && audited.DB == s.db.DB:
		return nil, errors.New("WithDB was given the audited database itself: leave it out, " +
			"and the events commit with their changes")
	}
	return s.db, nil
}

// databaseOf returns the *bun.DB behind tx, or nil.
func databaseOf(tx sink.Tx) *bun.DB {
	switch tx := tx.(type) {
	case interface{ DB() *bun.DB }:
		return tx.DB()
	case bun.IDB: // bun.Tx, bun.Conn: the builders know their database
		return tx.NewRaw("").DB()
	}
	return nil
}

// insert writes the batches on tx. Several of them get a savepoint, because a
// hook that was told to degrade goes on with tx after an error.
func (s *Sink) insert(ctx context.Context, db *bun.DB, tx sink.Tx, batches [][]eventrow.Row) error {
	if len(batches) == 1 {
		return s.table.Insert(ctx, db, tx, batches)
	}
	const name = "bunaudit_sqlsink"
	if _, err := tx.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return fmt.Errorf("set savepoint: %w", err)
	}
	err := s.table.Insert(ctx, db, tx, batches)
	if err == nil {
		if _, err = tx.ExecContext(ctx, "RELEASE SAVEPOINT "+name); err == nil {
			return nil
		}
		err = fmt.Errorf("release savepoint: %w", err)
	}
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	// Where the connection is gone there is nothing left to undo.
	if _, undoErr := tx.ExecContext(undo, "ROLLBACK TO SAVEPOINT "+name); undoErr == nil {
		_, _ = tx.ExecContext(undo, "RELEASE SAVEPOINT "+name)
	}
	return err
}

// undoTimeout bounds the work that is done although the context is done.
const undoTimeout = 5 * time.Second

// Check reports whether the table is there with all columns, by reading nothing
// from it. It implements [sink.Checker]. It doesn't try whether the user of the
// database may write to it.
func (s *Sink) Check(ctx context.Context, tx sink.Tx) error {
	db, err := s.database(tx)
	if err == nil {
		var conn bun.IConn = tx
		if s.db != nil {
			conn = db.DB
		}
		var rows []eventrow.Row
		err = s.explain(db.NewSelect().Conn(conn).Model(&rows).ModelTableExpr("? AS e", s.table.Expr()).
			Where("1 = 0").Scan(ctx))
	}
	if err != nil {
		return fmt.Errorf("sqlsink: check table: %w", err)
	}
	return nil
}
