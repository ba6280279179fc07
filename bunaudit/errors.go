package bunaudit

import (
	"errors"
	"fmt"

	"github.com/sqlaudit/bun/sink"
)

// ErrNoHook is returned for a write of a model that embeds [Model] where the
// [bun.DB] in use has no audit hook. Nothing was sent to the database.
var ErrNoHook = errors.New("bunaudit: the model is audited, but this *bun.DB has no audit hook: " +
	"add one with db.AddQueryHook(bunaudit.New(…))")

// ErrNoActor is returned for a write to an audited table that names no actor
// where [Config.RequireActor] is set. Nothing was sent to the database.
var ErrNoActor = errors.New("bunaudit: the statement has no actor: " +
	"use bunaudit.WithActor on its context, or Config.Actor")

// UncapturableError is returned for a statement on an audited table that can't
// be recorded exactly. It was not sent to the database, or was undone.
type UncapturableError struct {
	Table  string // as its model declares it, with its schema where it declares one
	Op     string // the SQL verb, such as "UPDATE"; empty where it is unknown
	Reason string // why it can't be recorded
}

// Error names the table, the reason and the ways out.
func (e *UncapturableError) Error() string {
	op := e.Op
	if op == "" {
		op = "statement"
	}
	return fmt.Sprintf("bunaudit: refuse %s on audited table %s: %s; "+
		"write it with Bun's builders or db.NewRaw in a form that can be recorded, "+
		"or let it pass unrecorded with bunaudit.Skip", op, e.Table, e.Reason)
}

// NotRecordedError is returned for a statement on an audited table whose event
// could not be written. The change was undone: together with its transaction on
// PostgreSQL, where any error ends a transaction, elsewhere on its own.
type NotRecordedError struct {
	Table string  // as its model declares it
	Op    sink.Op // what the event was about; empty where it was not known yet
	Err   error   // the cause
}

// Error names the table and the cause.
func (e *NotRecordedError) Error() string {
	op := string(e.Op)
	if op == "" {
		op = "change"
	}
	return fmt.Sprintf("bunaudit: record %s of %s: %v", op, e.Table, e.Err)
}

// Unwrap returns the cause.
func (e *NotRecordedError) Unwrap() error { return e.Err }
