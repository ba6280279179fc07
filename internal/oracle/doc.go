// Package oracle tests the audit with random statements, against a record that
// the database keeps by itself.
//
//	w, err := oracle.Open(ctx, oracle.Setup{Open: open, Seed: 7}) // tables, triggers, hook
//	report := w.Round(ctx, oracle.Options{Seed: 7})    // one random program
//	report.Differences                                 // what the two records disagree on
//	w.Shrink(ctx, report)                              // the smallest program that shows it
//
// A program is data, made of a seed: blocks of statements, each in a place (the
// pool, a transaction, a connection), spread over clients that run side by side
// on few rows. The statements come from a table of kinds with weights; see
// kinds.go to add one. Some tables are written by hand, for what is known to be
// hard, others are made up of the seed: their keys, columns, types, tags, names,
// and whether they are partitioned. Contexts are cancelled, connections ended,
// time-outs set, and the server is stopped and started, see Options.
//
// The events may come by way of Kafka, see [Setup]: then what is judged is what outbox,
// relay, topic and mirror have made of them.
//
// The other record is written by row-level AFTER triggers into a table of their
// own. The comparison knows nothing of how the audit works: it has its own
// reading of the rules for values, and shares no code with the packages that it
// judges. It asks that
//
//   - every row that the triggers saw changing in a tracked column has exactly
//     one event, with the same old and new values, and no event is without such
//     a row;
//   - for each row both records have the changes in the same order;
//   - changes are in one transaction in the one record where they are in the
//     other;
//   - the events, replayed from nothing, give the tables as they are;
//   - package retrieval gives the rows as they were at moments at which the
//     clients paused and the tables were read; and transactions that it reverts
//     are as if they had never been, unless later ones build on them, see
//     Options.Moments;
//   - a statement fails only for reasons of its own, or of the disturbances that
//     the program contains; what has to be refused is refused.
//
// # Limits
//
// The schedule of the clients is the machine's: a seed gives the same program,
// but not always the same difference. SQLite and MariaDB have no ids of
// transactions that a trigger could ask for: there the program leaves marks in
// the transactions, in some of them none. MariaDB's triggers are told of updates
// that UPDATE IGNORE leaves out, so it has none of those. What a statement returns
// to its caller is not compared. Only tests and the command soak import this
// package.
package oracle
