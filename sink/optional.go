package sink

import "context"

// Checker is implemented by a [Sink] that can tell before the first event
// whether it will be able to take one: whether its table is there, say. It
// reads and does not write. The error says what to do.
type Checker interface {
	Check(ctx context.Context, tx Tx) error
}

// Table names an SQL table. Both names are taken as they are and quoted: a dot
// is a part of the name.
type Table struct {
	Schema string // empty: wherever the connection looks first
	Name   string
}

// Tabled is implemented by a [Sink] whose Write does nothing but insert one row
// for each event into tables of the audited database, through the transaction
// that it is handed. The tables have the columns of docs/schema.md. On
// PostgreSQL the audited statement can then insert the rows itself, and Write
// isn't called: the change and its events take one round trip.
type Tabled interface {
	Sink

	// EventTables returns the tables, in the order in which Write inserts into
	// them; nobody changes the slice. None means that this sink, as it is
	// configured, needs its Write called.
	EventTables() []Table

	// Explain returns the error that Write returns where the database refuses its
	// rows with err, or nil where err is not about its tables.
	Explain(err error) error
}

// CommitListener is implemented by a [Sink] that wants to know when events may
// have become visible to others, to fetch them sooner than at its next poll.
type CommitListener interface {
	// Committed is called after a transaction that may have written events has
	// committed, as far as Bun tells. It is a hint: calls may be missing or too
	// many. It must return at once.
	Committed(ctx context.Context)
}
