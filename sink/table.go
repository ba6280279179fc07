package sink

import "context"

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
	// them; nobody changes the slice. None means that this sink, as it is configured, needs its Write
	// called.
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

// EventTables returns the tables of all sinks, or none where one of them needs
// its Write called.
func (t tee) EventTables() []Table {
	var tables []Table
	for _, s := range t {
		tabled, ok := s.(Tabled)
		if !ok {
			return nil
		}
		own := tabled.EventTables()
		if len(own) == 0 {
			return nil
		}
		tables = append(tables, own...)
	}
	return tables
}

// Explain returns what the first sink says whose tables err is about.
func (t tee) Explain(err error) error {
	for _, s := range t {
		if tabled, ok := s.(Tabled); ok {
			if explained := tabled.Explain(err); explained != nil {
				return explained
			}
		}
	}
	return nil
}

// Committed tells every sink that listens.
func (t tee) Committed(ctx context.Context) {
	for _, s := range t {
		if l, ok := s.(CommitListener); ok {
			l.Committed(ctx)
		}
	}
}
