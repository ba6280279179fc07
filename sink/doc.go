// Package sink defines what an audit trail records and where it goes.
//
// An [Event] says that one row of an audited table changed: which row, which
// columns, from what to what, by whom, when and why. A [Sink] is a place that
// takes events. Package bunaudit builds the events and calls the sink; package
// sqlsink (folder sink_sql) stores them in an SQL table, package kafkasink (folder
// sink_kafka) sends them to Kafka; [Tee] hands them to several sinks, [Func] makes
// a sink of a function, [Discard] takes everything and keeps nothing. What else a
// sink may be able to do it says by [Checker], [Tabled] and [CommitListener].
//
// # Guarantees
//
// A sink is called inside the transaction that changes the rows, after the
// change and before the commit. If it returns an error the change does not
// happen. The full contract is at [Sink]; package sinktest tests a sink of your
// own against it, and has a Recorder for the tests of a service.
//
// # Limits
//
// A sink that writes anywhere but to the [Tx] it is handed can't promise that
// an event and its change stand or fall together: the transaction may still
// roll back after Write has returned.
package sink
