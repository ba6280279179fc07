// Bench measures what an audited statement costs on PostgreSQL, beside other
// ways to have an audit trail, as ratios to the plain statement in one run.
//
//	BUNAUDIT_TEST_POSTGRES=postgres://… go run ./internal/bench [-for 5m] [-only REGEXP] [-into FILE,FILE]
//
// Each contender has a schema of its own, with the same table of customers in
// it and, but for the plain one, the same table of events with the same indexes,
// which it fills with the same number of rows: one for each row that changed,
// with what changed, the actor and the transaction. That is checked before
// anything is measured.
//
//	plain                 Bun without a hook: records nothing
//	one statement         this library, as it is by default
//	prepared              the same with Config.Prepare
//	general               this library, told to take the general way
//	trigger with actor    a PL/pgSQL trigger for each row, which makes the event of to_jsonb(OLD) and to_jsonb(NEW); the
//	                      application hands the actor over by set_config at the start of the transaction
//	statement trigger     the same with a trigger for each statement, with transition tables
//	by hand               what a careful engineer writes: BEGIN, SELECT FOR UPDATE, UPDATE, INSERT, COMMIT
//
// The contenders take turns in short samples, about fifteen each, and five where
// the time is short; the number that counts is the median. What the machine does
// meanwhile hits all of them alike.
//
// Conditions: over the loopback interface with fsync on; the same with fsync
// off, which shows the work without the disk; and through a proxy that delays
// each answer by a millisecond, as a network between two machines does.
//
// With -growth "0 1000000 50000000" it measures something else: what a write
// costs, and what the common questions to the trail cost, at each of these numbers
// of events. A table of 50 million takes most of an hour to fill and 30 GB: with
// -keep it stays on the server, and a later run that finds it takes minutes. It
// fills only what it doesn't find, and drops what it has filled.
//
//	BUNAUDIT_TEST_POSTGRES=postgres://… go run ./internal/bench -growth "0 1000000" [-keep] [-into FILE]
//
// The server is one that may be thrown away: schemas named bunaudit_bench_… are
// dropped and made. It has to belong to a superuser, who makes rows without
// firing the triggers. fsync is switched off and on only on a server that the
// tests have started (its cluster_name is bunaudit); elsewhere those lines are left out.
package main
