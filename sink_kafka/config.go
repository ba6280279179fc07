package kafkasink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// Config says where the events go. Brokers and Topic are required.
type Config struct {
	// Brokers are addresses of the cluster, as host:port. One that answers is
	// enough to find the others.
	Brokers []string

	// Topic takes the events. It has to exist, and is never created from here:
	// its partitions and retention are the operator's to choose. It must not be
	// compacted.
	Topic string

	// TopicOf names another topic for an event, so that tables can have topics of
	// their own. It must give the same answer for all events of a table, or the
	// order of a row's events is lost. Empty means Topic. An event for which it
	// panics, or names what can't be a topic, is a dead letter, or with [Direct]
	// delivery an error of the statement. It may be called by several goroutines at
	// once. Nil: always Topic.
	TopicOf func(e *sink.Event) string

	// Source is the CloudEvents source of the messages: which service or database
	// they come from, as a URI or a path. The default is "sqlaudit".
	Source string

	// Delivery says when the events are published. The zero value is [Outbox].
	Delivery Delivery

	// Table and Schema name the table of the outbox, by default audit_outbox in
	// no schema. Its companions have the same name with an ending. A name may have
	// up to 51 bytes; a dot in it is a part of it.
	Table, Schema string

	// Notify makes relays in other processes hear of commits, where the audited
	// database is a PostgreSQL: after a commit, and at most every 20 milliseconds,
	// NOTIFY is sent on the channel that has the name of the Table, by a connection
	// of this pool, which should be the audited database's. See
	// [RelayConfig.Wake]. It is a hint, whose failure nobody hears of. Nil: such
	// relays poll.
	Notify *bun.DB

	// TLS is used for all connections. Nil: none.
	TLS *tls.Config

	// SASL logs in on all connections: plain.Mechanism, scram.Mechanism, or any
	// other of that interface. Nil: none.
	SASL sasl.Mechanism

	// ClientID is what brokers know this program by. The default is "sqlaudit".
	ClientID string

	// Compression is that of the batches. The zero value is Snappy; there is
	// [Uncompressed] too.
	Compression kafka.Compression

	// MaxBatchBytes bounds a batch before compression. A single event that is
	// larger is sent alone. 0 means 960 KiB, which leaves room below the 1 MiB that
	// brokers take by default.
	MaxBatchBytes int

	// Timeout bounds one request to a broker, the time to connect included. 0 means
	// 10 seconds.
	Timeout time.Duration

	// Log takes what an operator should see. Nil: slog.Default.
	Log *slog.Logger
}

// Delivery says when events are published.
type Delivery uint8

const (
	// Outbox writes an event into a table of the audited database, in the
	// transaction of the change. A [Relay] publishes it after the commit. Every
	// committed event reaches the topic, and none of a change that was rolled back.
	Outbox Delivery = iota

	// Direct publishes an event before the transaction commits: a broker that
	// can't be reached fails the change, and the event of a transaction that rolls
	// back afterwards is in the topic all the same. So it is where an attempt to
	// publish failed without an answer. It needs no table and no relay.
	Direct
)

// Uncompressed is the [Config.Compression] that leaves batches as they are.
const Uncompressed kafka.Compression = -1

const (
	// DefaultTable is the name of the outbox where [Config.Table] gives no other.
	DefaultTable = "audit_outbox"

	defaultSource        = "sqlaudit"
	defaultTimeout       = 10 * time.Second
	defaultMaxBatchBytes = 960 << 10
)

// Validate says what is wrong with the configuration, as far as that can be
// known without a broker and a database, or returns nil.
func (c Config) Validate() error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("kafkasink: Config.Brokers is empty: give the address of a broker, as host:port")
	case c.Topic == "":
		return errors.New("kafkasink: Config.Topic is empty: name the topic that takes the events")
	case !isTopicName(c.Topic):
		return fmt.Errorf("kafkasink: Config.Topic is %s", notATopic(c.Topic))
	case c.Delivery > Direct:
		return errors.New("kafkasink: Config.Delivery is neither Outbox nor Direct")
	case c.Delivery == Direct && c.Table != "":
		return errors.New("kafkasink: Config.Table is set and Config.Delivery is Direct, which has no table")
	case c.Delivery == Direct && c.Notify != nil:
		return errors.New("kafkasink: Config.Notify is set and Config.Delivery is Direct, which has no relay to notify")
	case c.Notify != nil && c.Notify.Dialect().Name() != dialect.PG:
		return errors.New("kafkasink: Config.Notify is set and is no PostgreSQL, which alone has NOTIFY: leave it out, and relays poll")
	case c.Compression < Uncompressed || c.Compression > kafka.Zstd:
		return fmt.Errorf("kafkasink: Config.Compression is %d, which is none of package kafka's", c.Compression)
	case c.MaxBatchBytes < 0:
		return errors.New("kafkasink: Config.MaxBatchBytes is negative")
	case c.Timeout < 0:
		return errors.New("kafkasink: Config.Timeout is negative")
	}
	if err := c.withDefaults().outbox().Validate(); err != nil {
		return fmt.Errorf("kafkasink: Config.Table or Config.Schema: %w", err)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Brokers = append([]string(nil), c.Brokers...)
	if c.Source == "" {
		c.Source = defaultSource
	}
	if c.Table == "" {
		c.Table = DefaultTable
	}
	if c.ClientID == "" {
		c.ClientID = defaultSource
	}
	switch c.Compression {
	case 0:
		c.Compression = kafka.Snappy
	case Uncompressed:
		c.Compression = 0
	}
	if c.MaxBatchBytes == 0 {
		c.MaxBatchBytes = defaultMaxBatchBytes
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func (c Config) outbox() eventrow.Table { return eventrow.Table{Schema: c.Schema, Name: c.Table} }
