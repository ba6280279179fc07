// Package pgevent builds the SQL expressions by which PostgreSQL itself makes
// what an event says of a row: its key and its changes.
//
// An expression refers to the columns of one or two images of a row by a [Ref]:
// a prefix of RETURNING such as old., the columns of a common table expression,
// or the bare names. The values have the canonical form of package value, so
// that an event that was made here equals one that was made in Go:
//
//	t.AppendKey(b, pgevent.Bare)            // jsonb: {"id": 7}
//	t.AppendImage(b, "new", pgevent.Bare)   // jsonb: {"name": {"new": "Jane"}}, of an insert
//	t.AppendDiff(b, old, pgevent.Bare)      // jsonb: {"name": {"old": …, "new": …}}, of an update
//	t.AppendWasDeleted(b, old)              // boolean: the soft-delete mark is set
//
// They are short, since parsing and planning them is most of what they cost, and
// depend on the types that the columns had when they were read. An image looks
// whether they still have them; for a diff [Table.AppendHolds] is the condition
// under which it is right.
//
// # Limits
//
// Columns that are recorded as keyed hashes are not made here: the key would
// stand in the text of the statement.
package pgevent
