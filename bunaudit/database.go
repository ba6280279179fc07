package bunaudit

import (
	"context"
	"database/sql/driver"
	"encoding/json"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// database is what differs between the databases that are captured on. They
// know INSERT, UPDATE and DELETE with RETURNING; one that doesn't is a [capturer].
type database interface {
	// inlines reports whether a statement can insert its events by itself, as a
	// common table expression.
	inlines() bool

	// begin is the statement that opens a transaction which is going to write.
	begin() string

	// patient returns the context to run a statement with that returns rows: ctx,
	// unless the driver can't bear that it ends meanwhile. It is asked again
	// before the commit.
	patient(ctx context.Context) context.Context

	// aborts reports whether any error ends the transaction, so that a change
	// that can't be recorded needs no savepoint to be undone.
	aborts() bool

	// savepoint is the name to set a savepoint under, made unlike any that is set
	// where a new one would replace an older one of its name.
	savepoint(name string) string

	// inTransaction reports whether a transaction is open on u's connection,
	// and may set u.id to the id that the transaction was given before.
	inTransaction(ctx context.Context, u *unit) (bool, error)

	// uncapturable says why a statement can't be recorded, or nothing.
	uncapturable(p *plan, text string, s sqltext.Statement) string

	// schemaOf returns the schema in which a table that is named without one is
	// found at this moment, or nothing where there is no such table.
	schemaOf(ctx context.Context, u *unit, table string) (string, error)

	// commits reports whether a statement commits the transaction that is open,
	// so that nothing can be recorded in one with it.
	commits(verb sqltext.Verb) bool

	// claim returns a statement to run first in a transaction that the caller
	// opened, so that the rows can be read before they are written; or nothing.
	claim(target string, p *plan) string

	// singleWriter reports whether a transaction keeps all others from writing.
	singleWriter() bool

	// snapshots reports whether a statement sees the rows that its common table
	// expressions have changed as they were, and can tell which version of a row
	// was replaced.
	snapshots() bool

	// lock is the clause that keeps rows that are read from changing.
	lock(qualifier string, keyChanges bool) string

	// inReturning is what a column is qualified with in a RETURNING clause,
	// given what the statement calls the table.
	inReturning(qualifier string) string

	// fate is an expression for the RETURNING clause of an upsert or MERGE that
	// says INSERT, UPDATE or DELETE of each row; or nothing where no other
	// transaction can insert in between.
	fate(verb sqltext.Verb, qualifier string) string

	// canMerge says why MERGE can't be recorded, or nothing.
	canMerge(ctx context.Context, u *unit) (reason string, err error)

	// truncated returns the tables that a TRUNCATE of these has emptied, each
	// without a schema where its name alone means it.
	truncated(ctx context.Context, u *unit, names []sqltext.Name, cascade bool) ([]sqltext.Name, error)

	// columns says how to select the columns of a table.
	columns(ctx context.Context, u *unit, p *plan, table string) (*columns, error)

	// keyColumn says how to read a column, whose name is quoted, that tells rows
	// apart.
	keyColumn(name string) column

	// in appends a condition that holds for the rows of these identities.
	in(b []byte, identity []string, rows []identity) []byte

	// lastInsertID returns the id that the driver would report for the last
	// insert on the connection, or an error that says that it reports none.
	lastInsertID(ctx context.Context, u *unit) (int64, error)

	// quote appends an identifier.
	quote(b []byte, name string) []byte

	// misfit reports whether err says that a column or table was not as the
	// model has it, rather than that the rows could not be had.
	misfit(err error) bool
}

// identity is what tells a row from others of its table: one SQL literal for
// each identity column.
type identity []string

// image is a row at one moment: the JSON of each column of columns.fields.
type image []json.RawMessage

// A driver's value becomes the literal of an identity, or the JSON of a column.
type (
	literalOf func(v driver.Value) (string, error)
	jsonOf    func(v driver.Value) (json.RawMessage, error)
)
