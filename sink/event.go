package sink

import (
	"encoding/json"
	"time"
)

// Event records one change of one row.
//
// The JSON form of an Event is the form that docs/event-format.md describes.
type Event struct {
	// ID is a UUIDv7 (RFC 9562), unique for each event. Events that one hook
	// made have increasing IDs within a millisecond's precision; the order of
	// the changes of a row is the order in which the sink was given them.
	ID string `json:"id"`

	// Time is when the event was made, in UTC with microseconds, by the clock
	// of the process that made the change. The events of a statement have one
	// time, and those of a later statement of the same transaction a later one.
	Time time.Time `json:"time"`

	// Op says what happened to the row.
	Op Op `json:"op"`

	// Statement is the SQL verb, such as MERGE, of an event of the operations
	// Truncate and Opaque, which are about a whole statement. Else it is empty.
	Statement string `json:"statement,omitempty"`

	// Table is the table's name as the model declares it, with its schema
	// where the model declares one.
	Table string `json:"table"`

	// Model is the name of the Go type, or the label given by the tag
	// audit_label.
	Model string `json:"model"`

	// Key holds the columns that identify the row: the primary key, or the
	// columns tagged audit_key. It is the key after the change; for a deleted
	// row it is the key that the row had.
	Key Values `json:"key,omitempty"`

	// OldKey is the key before the change where the change altered it, else
	// nil.
	OldKey Values `json:"old_key,omitempty"`

	// Changes holds what changed, by column name. An insert has every tracked
	// column and no old values, a delete every tracked column and no new ones,
	// an update the columns whose values differ.
	Changes map[string]Change `json:"changes,omitempty"`

	// Actor is who made the change. The zero Actor means that nobody was named.
	Actor Actor `json:"actor,omitzero"`

	// Reason is why, in the words of who made the change.
	Reason string `json:"reason,omitempty"`

	// Meta is what else the application attached, such as a request's id.
	Meta map[string]string `json:"meta,omitempty"`

	// Tx is the same for all events of one database transaction and differs
	// between transactions. It is made by the library (a UUIDv7), not by the
	// database.
	Tx string `json:"tx"`

	// Soft is true where the row was deleted or restored by setting the
	// model's soft-delete column, so that the row itself is still there.
	Soft bool `json:"soft,omitempty"`

	// TraceID and SpanID are those of the OpenTelemetry span in the context of
	// the statement, in lower-case hexadecimal, or empty.
	TraceID string `json:"trace_id,omitempty"`
	SpanID  string `json:"span_id,omitempty"`
}

// Op is what happened to a row.
type Op string

// The operations. An upsert is recorded as what it did to each row.
const (
	Insert  Op = "insert"  // there is a new row
	Update  Op = "update"  // a tracked column of the row, or its key, has another value
	Delete  Op = "delete"  // with Event.Soft: the row was marked as deleted
	Restore Op = "restore" // a soft-deleted row was brought back

	// Truncate is about a table: all its rows are gone. There is no Key.
	Truncate Op = "truncate"

	// Opaque is about a statement that was let through although it could not be
	// recorded: it may have changed rows of the table, nobody knows which. There
	// is no Key.
	Opaque Op = "opaque"

	// Snapshot records what a row holds, without that it changed: a row that is
	// older than its history, see retrieval's Baseline. Changes has every tracked
	// column without an old value.
	Snapshot Op = "snapshot"

	// Erase says that values were taken out of the row's earlier events, see
	// retrieval's Erase. Changes names the columns.
	Erase Op = "erase"
)

// Values are the values of some columns of a row, by column name.
//
// Each value is JSON: the form that docs/event-format.md gives for the type of
// the column. SQL's NULL is JSON's null.
type Values map[string]json.RawMessage

// Change is what happened to one column of a row.
type Change struct {
	// Old is the value before the change; nil where there was no row before.
	// SQL's NULL is the JSON text null, not nil.
	Old json.RawMessage `json:"old,omitempty"`

	// New is the value after the change; nil where there is no row after.
	New json.RawMessage `json:"new,omitempty"`

	// Mask says how the values were made unreadable, if they were.
	Mask Mask `json:"mask,omitempty"`
}

// Mask is how the values of a column are kept out of the record.
type Mask string

const (
	// Unmasked values are recorded as they are.
	Unmasked Mask = ""

	// Redacted columns are recorded as changed, without values: Old and New are
	// nil.
	Redacted Mask = "redact"

	// Hashed columns are recorded as keyed hashes: Old and New are JSON strings
	// of the form "hmac-sha256:<64 hexadecimal digits>", or null for NULL. Equal
	// values have equal hashes as long as the key stays the same.
	Hashed Mask = "hash"

	// Erased values were recorded and have been taken out of the record since:
	// Old and New are nil. An event of the operation Erase says when and by whom.
	Erased Mask = "erase"
)

// Actor is who made a change: a user, a service, a job.
type Actor struct {
	// ID identifies the actor within its type, for example a user's id.
	ID string `json:"id,omitempty"`

	// Type is the kind of actor, for example "user" or "job".
	Type string `json:"type,omitempty"`

	// Name is for people to read. It is recorded as it was at the time.
	Name string `json:"name,omitempty"`

	// OnBehalfOf is the ID of whom the actor acted for, for example the
	// customer whom a support agent has impersonated.
	OnBehalfOf string `json:"on_behalf_of,omitempty"`
}

// IsZero reports whether a names nobody.
func (a Actor) IsZero() bool { return a == Actor{} }
