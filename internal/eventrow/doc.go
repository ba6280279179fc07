// Package eventrow turns events into rows of an SQL table and back.
//
// The SQL sink, the Kafka outbox and retrieval share it, so that what one
// writes the other reads:
//
//	t := eventrow.Table{Name: "audit_events"}
//	stmts, err := t.Create(db.Dialect())      // the DDL
//	batches, err := eventrow.Encode(events)   // events → rows
//	err = t.Insert(ctx, db, tx, batches)      // rows → table
//	event, err := row.ToEvent()               // a row read by Bun → event
//
// A column per attribute that is searched by; the changes as one JSON document.
// docs/schema.md describes the columns.
//
// # Guarantees
//
// An event that was encoded, stored and read back equals the original, but for
// this: times are UTC with microseconds, empty maps are nil, JSON values are
// equal as JSON values and not always as text (PostgreSQL's jsonb sorts the
// keys of objects and drops duplicate ones), and text that no database can hold
// (NUL, invalid UTF-8) has become U+FFFD.
//
// # Limits
//
// PostgreSQL's jsonb can't hold the escape \u0000 or half a surrogate pair, so an
// event with that in a value is refused by the server. A key is part of an index and may not exceed
// about 2,600 bytes of JSON there.
package eventrow
