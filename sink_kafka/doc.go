// Package kafkasink sends events to Kafka: every committed one, in the order of
// each row's changes.
//
// In the service, the sink writes the events into a table of the audited
// database, the outbox, in the transaction of the change:
//
//	events := kafkasink.New(kafkasink.Config{Brokers: brokers, Topic: "audit"})
//	if err := events.CreateTable(ctx, db); err != nil { … } // or events.Migrations()
//	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events}))
//
// In the same process, or in one of its own, a relay publishes them:
//
//	relay := kafkasink.NewRelay(db, events, kafkasink.RelayConfig{})
//	if err := relay.Check(ctx); err != nil { … } // what is wrong, one clear error each
//	err := relay.Run(ctx)                        // until ctx ends
//
// A consumer reads them with [Decode]; any other reads CloudEvents 1.0. To have
// the history in the audited database as well, use sink.Tee(sqlsink.New(), events).
// docs/kafka.md has the message, the tables, and how to operate it.
//
// # Guarantees
//
// Every committed event reaches the topic at least once, and none of a change that
// was rolled back. The first occurrences of the events of one row are in the order
// of its changes; a duplicate has the same id. The outbox holds nothing but what
// isn't published yet, and nothing is dropped: an event that brokers refuse for
// what it is, that has no topic, or whose row was damaged goes to a table of dead
// letters. This holds when the relay, a broker or the database is killed at any
// moment, and while several relays run.
//
// A [Sink] and a [Relay] are safe for concurrent use.
//
// # Limits
//
// Duplicates happen, after a crash or a lost answer: consumers tell them by their
// id. The order is one for each key: where a change alters a row's primary key,
// its events before and after may be in different partitions, and so may be the
// truncation of a table and the events of its rows; the header ce_sequence has the
// order between them. Changing the number of partitions of a topic moves rows to
// other partitions, so the relay stops and says so. [Direct] delivery promises less,
// see there.
package kafkasink
