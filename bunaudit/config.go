package bunaudit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/sqlaudit/bun/internal/isnil"
	"github.com/sqlaudit/bun/sink"
)

// Config says what [New] needs to know. Only Sink is required.
type Config struct {
	// Sink takes the events. Required; sqlsink.New() stores them in a table of
	// the audited database.
	Sink sink.Sink

	// Actor says who makes a change, from the context of the statement. It is
	// called once for each audited statement, before anything is sent, unless
	// the context names an actor by [WithActor]. An error fails the statement.
	// Nil: events have the actor of the context only.
	//
	// It may use the database, but not through the pool that the statement
	// waits for: with one connection in the pool that never ends.
	Actor func(ctx context.Context) (sink.Actor, error)

	// RequireActor refuses a statement that names no actor, with [ErrNoActor].
	// The default lets it pass, recorded with the zero Actor.
	RequireActor bool

	// OnFailure says what happens to a change whose event can't be recorded.
	// The zero value is strict: the change is undone and the caller gets a
	// [*NotRecordedError]. The other choice is [Degrade].
	OnFailure FailurePolicy

	// Uncapturable says what happens to a statement on an audited table that
	// can't be recorded exactly. The zero value is [Refuse]; the other choice is
	// [Warn].
	Uncapturable UncapturablePolicy

	// SeparateStatements records a change by statements of its own, in one
	// transaction with the audited one, also where the audited statement could
	// write its events itself: on PostgreSQL, with a sink whose events are rows of
	// the same database. That takes more round trips and gives the same events.
	// It is for databases in which something stands in the way of common table
	// expressions that write. [Hook.Stats] tells how statements were recorded.
	SeparateStatements bool

	// Prepare has PostgreSQL read and plan a statement that writes its own events
	// once for each connection, and not each time. From the second one on,
	// statements that differ in their values alone are prepared and sent as
	// EXECUTE, which takes off most of what the audit costs. It goes for statements on the
	// pool; those in a transaction are sent as they are. Where PostgreSQL doesn't
	// have what was prepared, as behind a pooler that gives each transaction
	// another session, or after DISCARD ALL, the statement is sent as it is, and no
	// more are prepared.
	//
	// It is off by default. A prepared statement takes some 170 kB of each session
	// that has used it; there are 100 at most for each database. PostgreSQL plans it
	// for any values instead of those at hand, once it finds that to be no worse.
	// And a session that has prepared an assignment to a column goes on reading the
	// literal by the type that the column had then, if ALTER TABLE changes it.
	Prepare bool

	// HashKey is the key of the HMAC-SHA-256 that stands for the values of
	// columns tagged audit:hash; at least 16 bytes. Without it such a tag is an
	// error. Hashes made with different keys can't be compared.
	HashKey []byte

	// Models are models, such as (*Customer)(nil), that the hook registers with
	// Bun when it is added to a [bun.DB]. A raw statement is recognised as one
	// on an audited table only if Bun has seen the model before, through this
	// list, RegisterModel or a query. [Hook.Check] checks these models.
	Models []any

	// Log takes what an operator should see: statements that were skipped or
	// let through unrecorded. Nil: slog.Default.
	Log *slog.Logger

	// BunLog is where Bun's own log lines go. Bun warns about each tag option
	// that it does not know, and has one logger for the whole program, so New
	// calls bun.SetLogger with [Logger](BunLog), which is not safe while another
	// goroutine uses Bun. Nil: standard error, which is Bun's default, set by the
	// first hook alone.
	BunLog BunLogger

	// Now is the clock of the events. Nil: time.Now. Where it stands still or goes
	// back within a transaction, the events of a later statement come a microsecond
	// after those of the one before.
	Now func() time.Time

	// NewID makes the IDs of events and transactions: UUIDs in lower case, each
	// greater than the last as far as that can be. Nil: UUIDv7.
	NewID func() string
}

// UncapturablePolicy says what happens to a statement that can't be recorded.
type UncapturablePolicy uint8

const (
	// Refuse fails the statement with an [*UncapturableError], before anything
	// is sent wherever that can be.
	Refuse UncapturablePolicy = iota

	// Warn lets the statement through, logs it, counts it, and records an event
	// of the operation sink.Opaque: the record then says itself where it is
	// blind. The event commits with the statement where the hook could take
	// charge of its connection. Where it could not, that is for text given to
	// db.Exec and its like, the event is written on its own before the
	// statement, and not at all if no connection is free.
	Warn
)

// FailurePolicy says what happens to a change whose event can't be recorded.
// The zero value undoes the change.
type FailurePolicy struct {
	report func(ctx context.Context, err error)
}

// Degrade lets a change through whose event can't be recorded, and calls
// report, which must not be nil, with a [*NotRecordedError]: the record has a
// gap then. The report comes once the statement is done, on the pool once it is
// committed, and may use the database. It costs a savepoint for each audited statement in a transaction.
// Statements that can't be captured at all are refused all the same, and an
// error of the statement itself is the caller's as ever.
func Degrade(report func(ctx context.Context, err error)) FailurePolicy {
	if report == nil {
		panic("bunaudit: Degrade wants a function to report to")
	}
	return FailurePolicy{report: report}
}

func (p FailurePolicy) degrades() bool { return p.report != nil }

const minHashKey = 16

// Validate says what is wrong with the configuration, as far as that can be
// known without a database, or returns nil.
func (c Config) Validate() error {
	switch {
	case c.Sink == nil:
		return errors.New("bunaudit: Config.Sink is missing: set it to sqlsink.New(), for example")
	case isnil.Of(c.Sink):
		return fmt.Errorf("bunaudit: Config.Sink is a %T that is nil: set it to sqlsink.New(), for example", c.Sink)
	case c.BunLog != nil && isnil.Of(c.BunLog):
		return fmt.Errorf("bunaudit: Config.BunLog is a %T that is nil: leave it out for standard error", c.BunLog)
	case c.Uncapturable > Warn:
		return errors.New("bunaudit: Config.Uncapturable is neither Refuse nor Warn")
	case c.HashKey != nil && len(c.HashKey) < minHashKey:
		return errors.New("bunaudit: Config.HashKey is too short: use at least 16 random bytes")
	}
	for _, m := range c.Models {
		if _, err := modelType(m); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return c
}
