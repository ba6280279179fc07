// Package retrieval reads the history that the SQL sink has stored, and looks
// after it.
//
// A query starts with the model, is narrowed down by methods, and ends with one
// that runs it:
//
//	for change, err := range retrieval.For[Customer](db).Key(2).Field("name").By("42").Between(t0, t1).Changes(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(change) // FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM Jane Doe TO Jane Smith BY user 1
//	}
//
// [For] asks for the history of a model: values come back in the model's Go
// types, read by Bun's own scanners. [ForTable] asks for that of a table without
// a model, or of one that no program has a model for any more: values come back
// as JSON. [ForAll] asks for that of all tables.
//
// [Query.Events] gives one [Event] for each changed row, [Query.Changes] one
// [Change] for each changed field, [Query.Transactions] whole transactions.
// [Query.Page] gives a page and the cursor of the next one. [Query.First],
// [Query.Last], [Query.Previous], [Query.All] and [Query.Count] are for those who
// need no stream.
//
// [Query.AsOf] gives a row as it was, [Query.RowsAsOf] several or all of a table,
// [Query.Versions] what a row has been from change to change, [Query.Diff] what
// is different about it at two moments. What history doesn't tell they say, see
// [ErrIncomplete] and [Row].
//
// [Query.Baseline] puts the rows on record that are older than the audit, and
// [Query.Verify] finds those that were changed behind the hook's back.
// [Query.Revert] undoes changes, and is recorded itself. These three read the
// audited table, which has to be in the database of the events. [Query.Erase]
// takes values out of history, [Query.Prune] deletes old events,
// [Query.WriteJSONLines] and [Query.WriteCSV] export them.
//
// Every condition narrows the result; of the values of one condition any will
// do. A mistake in a query, such as a key of the wrong shape, is reported by the
// method that runs it.
//
// # Guarantees
//
// The events of a query come in the order in which they were stored, or in
// exactly the reverse. Where the query bounds the time, and names no keys, they
// come by their times, and those of the same time in the order in which they
// were stored: the clocks of two programs may differ. The history of a key is that of the row: where the key
// itself was changed, the row's events under its other keys belong to it.
//
// A stream holds neither a connection nor rows open while the caller's code
// runs: it reads a page at a time. It may be left at any point.
//
// No query panics, whatever the table holds, and an error never shows the
// values of a row. Where there is no table of events, or one that lacks a column,
// the error is sqlsink.ErrNoTable, by [errors.Is], and says what to do.
//
// # Limits
//
// Pages are read one after another: of the events that are committed meanwhile, a
// stream that is oldest first may have some, one that is newest first may lack
// all. In a transaction with snapshot isolation there are none. Events are
// ordered by when they were written; two transactions that run at the same time
// may commit in the other order.
//
// The history of a model is that of the table that it declares. What a statement
// did to another one, which it named by ModelTableExpr, is found by [ForTable].
//
// What is masked (audit:redact, audit:hash), what is not tracked, and what happened
// behind the hook's back can't be told by history. A row that is older than its
// history, and has not been on record as a whole since, is known in part.
//
// A condition on fields, on their values or on meta has no index of its own; together with a key,
// an actor, a transaction or a time it needs none.
package retrieval
