// Package judge tests package kafkasink with faults that a real broker doesn't
// produce on demand, injected into franz-go's in-process broker kfake, and judges
// its messages with tools that know nothing of it: another Kafka client, and a
// validator of JSON Schema.
//
// It is a module of its own so that what it needs is no dependency of the
// library's. kfake is no proof of Kafka: the tests of package kafkasink run on the
// real one.
package judge
