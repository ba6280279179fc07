// Package sinktest helps to test sinks, and services that are audited.
//
// For the tests of a service, [Recorder] is a sink that keeps the events in
// memory:
//
//	rec := new(sinktest.Recorder)
//	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: rec}))
//	… // what the service does
//	for _, e := range rec.ByTable("customers") { … }
//
// [Failing], [FailAfter], [Panicking] and [Blocking] are sinks that do what a
// real one does on a bad day.
//
// For a sink of your own, [Run] tests it against the contract of [sink.Sink]:
//
//	func TestMySink(t *testing.T) {
//		sinktest.Run(t, func(t *testing.T) sinktest.Harness { … })
//	}
//
// # Guarantees
//
// Everything here is safe for concurrent use and depends on nothing but the
// standard library.
//
// # Limits
//
// A Recorder is not part of the transaction: it keeps the events of a change
// that was rolled back. A test that must not see those reads the events from
// the table that package sqlsink writes. Run can only test what the harness
// shows it: without Harness.Events it can't tell whether an event arrived.
package sinktest
