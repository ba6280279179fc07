// Package sqltext takes an SQL statement apart with certainty, or says that it
// can't.
//
// The audit trail has to know which table a statement writes to before the
// statement runs, and on PostgreSQL it rewrites the statement around its
// clauses. A wrong guess would lose an event or invent one, so nothing here
// guesses. The texts are what Bun renders, or what a user wrote by hand:
// arguments are already inlined as literals.
//
// # Use
//
// Three questions, from the cheapest to the dearest:
//
//   - [Glance] reads the head of a text: its verb and the table it names. It
//     costs tens of nanoseconds and one search for a semicolon. Nearly every
//     statement that a service runs is on a table without an audit trail, and
//     ends here.
//   - [Targets] names every table that a text of any shape writes to.
//   - [Split] takes one INSERT, REPLACE, UPDATE, DELETE, MERGE or TRUNCATE
//     apart into clauses. Clauses are [Span]s of the text, so that a rewriter
//     copies the user's own bytes.
//
// [SplitList], [Names] and [SplitRow] go on from a clause to its items.
//
// # Guarantees
//
// Split either answers with the clauses that the database's own parser would
// see, or returns an [*Error]. A text that the database rejects may be taken
// apart or not; it changes no rows either way.
//
// Targets may name a table too many, never one too few, unless it answers
// certain=false. So does Glance: where Head.Certain is false, ask Targets.
//
// Nothing panics, and no error text holds a value of the statement. Names share
// memory with the text wherever the dialect lets them.
//
// # How
//
// A lexer that knows each dialect's strings, quoted names, comments and
// parentheses cuts the text into tokens, and a few hundred lines of grammar look
// only at keywords outside all parentheses. The clauses themselves are not
// parsed: an expression is whatever stands between two clause keywords, provided
// that no keyword stands in it that could not be there.
//
// # Limits
//
//   - PostgreSQL is taken to run with standard_conforming_strings = on and MySQL
//     or MariaDB without NO_BACKSLASH_ESCAPES: both are the defaults, and what
//     Bun renders for. Where the MySQL mode ANSI_QUOTES matters, the answer is
//     "can't".
//   - Code that lives on the server or is sent as a string is not looked into:
//     functions, CALL, DO blocks, triggers, rules, cascades, views. Text that
//     executes a string or a prepared statement (EXECUTE) is uncertain.
//   - DDL writes no rows here, also where it does: DROP, ALTER TABLE … TRUNCATE
//     PARTITION, CREATE TABLE … AS for the table that it creates.
//   - Client commands are not SQL: psql's \copy, mysql's DELIMITER.
package sqltext
