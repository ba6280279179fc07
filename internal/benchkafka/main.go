// Command benchkafka measures a relay beside kafka-go's bare Writer, on the
// PostgreSQL and the broker that BUNAUDIT_TEST_POSTGRES and BUNAUDIT_TEST_KAFKA
// name:
//
//	go run ./internal/benchkafka -events 200000
//
// It prints how many events a second of about 1 KB each took from the outbox to the
// topic, the deletion included; how many messages of the same content and the same
// batches the Writer sent to the same broker; the ratio; how fast the outbox is read
// and deleted from page by page when nothing is sent, which is about what a relay that
// sent in no time would reach: one whose pages are others may be faster in a round; and
// the most memory that the program used in each half of the backlog. They take turns,
// three times, or once where a backlog is very long; the median counts. Then it prints
// how many events a second a mirror stores, beside one INSERT … SELECT of the same
// events; and the time from a commit to a consumer, when there is little to do and at
// 5,000 events a second.
//
// With -cpuprofile the last relay's work is profiled.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

const (
	batch      = 5000
	partitions = 6
)

func main() {
	events := flag.Int("events", 200_000, "events in a backlog")
	seconds := flag.Duration("latency", 5*time.Second, "how long to measure each of the two latencies")
	profile := flag.String("cpuprofile", "", "file for a CPU profile of the relay")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *events, *seconds, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "benchkafka:", err)
		os.Exit(1)
	}
}

// bench is the database, the broker and a topic of the run's own.
type bench struct {
	db     *bun.DB
	broker string
	schema string
	topic  string
	client *kafka.Client
	sink   *kafkasink.Sink

	profile string // file for a profile of the relay, or nothing
}

func run(ctx context.Context, events int, seconds time.Duration, profile string) (err error) {
	b := &bench{profile: profile, broker: os.Getenv("BUNAUDIT_TEST_KAFKA")}
	dsn := os.Getenv("BUNAUDIT_TEST_POSTGRES")
	if b.broker == "" || dsn == "" {
		return errors.New("BUNAUDIT_TEST_POSTGRES and BUNAUDIT_TEST_KAFKA have to name a server each: run make bench-kafka, which starts them")
	}
	name := fmt.Sprintf("benchkafka_%d", time.Now().UnixNano())
	b.schema, b.topic = name, name
	b.client = &kafka.Client{Addr: kafka.TCP(b.broker)}
	for _, topic := range []string{name, name + mirrored} {
		remove, err := b.create(ctx, topic)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	b.db = bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(dsn), pgdriver.WithTimeout(5*time.Minute))), pgdialect.New())
	defer func() { _ = b.db.Close() }()
	b.sink = kafkasink.New(b.config())
	if err := b.sink.CreateTable(ctx, b.db); err != nil {
		return err
	}
	defer func() {
		_, dropErr := b.db.NewRaw("DROP SCHEMA ? CASCADE", bun.Ident(name)).Exec(context.WithoutCancel(ctx))
		err = errors.Join(err, dropErr)
	}()
	if err := b.throughput(ctx, events); err != nil {
		return err
	}
	if err := b.mirror(ctx, min(events, 200_000)); err != nil {
		return err
	}
	return b.latencies(ctx, seconds)
}

func (b *bench) config() kafkasink.Config {
	return kafkasink.Config{Brokers: []string{b.broker}, Topic: b.topic, Schema: b.schema, Log: slog.New(slog.DiscardHandler)}
}

// create creates a topic, and returns what deletes it.
func (b *bench) create(ctx context.Context, topic string) (remove func() error, err error) {
	created, err := b.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	if err == nil {
		err = created.Errors[topic]
	}
	return func() error {
		_, err := b.client.DeleteTopics(context.WithoutCancel(ctx), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		return err
	}, err
}

func (b *bench) throughput(ctx context.Context, events int) error {
	messages, err := b.messages(ctx, batch)
	if err != nil {
		return err
	}
	size := 0
	for _, m := range messages {
		size += len(m.Key) + len(m.Value)
		for _, h := range m.Headers {
			size += len(h.Key) + len(h.Value)
		}
	}
	fmt.Printf("%d events of %d bytes, %d partitions, batches of %d, snappy, acknowledged by all replicas\n", events, size/batch, partitions, batch)
	rounds := max(1, min(3, 1_000_000/events))
	var relays, writers, bases []float64
	for range rounds {
		writer, err := b.write(ctx, messages, events)
		if err != nil {
			return err
		}
		relay, used, err := b.relay(ctx, events)
		if err != nil {
			return err
		}
		base, err := b.readAndDelete(ctx, events)
		if err != nil {
			return err
		}
		relays, writers, bases = append(relays, relay), append(writers, writer), append(bases, base)
		fmt.Printf("  bare Writer %.0f/s, relay %.0f/s, PostgreSQL alone %.0f/s; %v\n", writer, relay, base, used)
	}
	fmt.Printf("median: bare Writer %.0f/s, relay %.0f/s, ratio %.2f; to read and delete without sending %.0f/s\n",
		median(writers), median(relays), median(relays)/median(writers), median(bases))
	return nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// fill puts events of about 1 KB into the outbox.
func (b *bench) fill(ctx context.Context, n int) error {
	_, err := b.db.NewRaw(`INSERT INTO ?.audit_outbox (id, time, op, table_name, model, key, changes, tx)
		SELECT gen_random_uuid(), now(), 'update', 'customers', 'Customer', jsonb_build_object('id', i % 100000),
			jsonb_build_object('note', jsonb_build_object('old', a, 'new', a || 'x')), gen_random_uuid()
		FROM generate_series(1, ?::int) AS i, LATERAL (SELECT string_agg(md5((i::bigint * k)::text), '') AS a FROM generate_series(1, 6) AS k) AS text
		ORDER BY i`, bun.Ident(b.schema), n).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = b.db.NewRaw("VACUUM ANALYZE ?.audit_outbox", bun.Ident(b.schema)).Exec(ctx)
	return err
}

// usage is the most memory in bytes that the program had, in the first and in the
// second half of a backlog, and the processors' time that an event took.
type usage struct {
	heap, total [2]uint64
	processor   time.Duration
}

// processorTime is the time that this program has had of all processors.
func processorTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0 // never, of oneself
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// sample adds what is in use now.
func (u *usage) sample(half int) {
	// The memory that the runtime has of the system, and hasn't given back.
	values := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(values)
	u.heap[half] = max(u.heap[half], values[0].Value.Uint64())
	u.total[half] = max(u.total[half], values[1].Value.Uint64()-values[2].Value.Uint64())
}

func (u usage) String() string {
	return fmt.Sprintf("%v of processor time an event; at most %d MB of heap in the first half and %d MB in the second, %d and %d MB of memory in all",
		u.processor, u.heap[0]>>20, u.heap[1]>>20, u.total[0]>>20, u.total[1]>>20)
}

// relay drains a backlog, and returns the events a second and the memory.
func (b *bench) relay(ctx context.Context, events int) (rate float64, used usage, err error) {
	if err := b.fill(ctx, events); err != nil {
		return 0, used, err
	}
	debug.FreeOSMemory()
	if b.profile != "" {
		f, createErr := os.Create(b.profile)
		if createErr != nil {
			return 0, used, createErr
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return 0, used, err
		}
		defer pprof.StopCPUProfile()
	}
	running, stop := context.WithCancel(ctx)
	relay := kafkasink.NewRelay(b.db, b.sink, kafkasink.RelayConfig{Batch: batch})
	ended := make(chan error, 1)
	began, before := time.Now(), processorTime()
	go func() { ended <- relay.Run(running) }()
	for published := int64(0); published < int64(events) && ctx.Err() == nil; published = relay.Stats().Published {
		used.sample(int(2 * published / int64(events)))
		time.Sleep(20 * time.Millisecond)
	}
	stop() // what is in the middle of being deleted is deleted
	err = <-ended
	took := time.Since(began)
	used.processor = (processorTime() - before) / time.Duration(events)
	return float64(events) / took.Seconds(), used, errors.Join(err, b.empty(ctx))
}

// readAndDelete empties the outbox as a relay does, by COPY and one page read ahead, and
// sends nothing: what the database gives alone.
func (b *bench) readAndDelete(ctx context.Context, events int) (rate float64, err error) {
	if err := b.fill(ctx, events); err != nil {
		return 0, err
	}
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	outbox := bun.SafeQuery("?.audit_outbox", bun.Ident(b.schema))
	var after int64
	if err := b.db.NewSelect().TableExpr("?", outbox).ColumnExpr("min(seq) - 1").Scan(ctx, &after); err != nil {
		return 0, err
	}
	began := time.Now()
	deleted := make(chan error, 1)
	deleted <- nil
	for left := events; left > 0; left -= batch {
		page := b.db.NewSelect().TableExpr("?", outbox).Where("seq > ?", after).OrderExpr("seq").Limit(batch)
		_, err := pgdriver.CopyTo(ctx, conn, io.Discard, "COPY ("+page.String()+") TO STDOUT (FORMAT binary)")
		if err := errors.Join(err, <-deleted); err != nil {
			return 0, err
		}
		first, last := after+1, after+batch // they are numbered without gaps
		after = last
		go func() {
			_, err := b.db.NewDelete().TableExpr("?", outbox).Where("seq BETWEEN ? AND ?", first, last).Exec(ctx)
			deleted <- err
		}()
	}
	err = <-deleted
	rate = float64(events) / time.Since(began).Seconds()
	return rate, errors.Join(err, b.empty(ctx))
}

// empty reports an error where events are left in the outbox.
func (b *bench) empty(ctx context.Context) error {
	left, err := b.db.NewSelect().TableExpr("?.audit_outbox", bun.Ident(b.schema)).Count(ctx)
	if err == nil && left != 0 {
		err = fmt.Errorf("%d events are left in the outbox", left)
	}
	return err
}

// messages are what the relay would send for so many events.
func (b *bench) messages(ctx context.Context, n int) ([]kafka.Message, error) {
	if _, _, err := b.relay(ctx, n); err != nil {
		return nil, err
	}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.broker}, Topic: b.topic, Partition: 0})
	defer func() { _ = reader.Close() }()
	var messages []kafka.Message
	for len(messages) < n/partitions/2 {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		messages = append(messages, kafka.Message{Key: m.Key, Value: m.Value, Headers: m.Headers})
	}
	for i := 0; len(messages) < n; i++ { // the same with other keys, for all partitions
		m := messages[i]
		m.Key = fmt.Appendf(nil, "customers|%d", 1000000+i)
		messages = append(messages, m)
	}
	return messages, nil
}

func (b *bench) write(ctx context.Context, messages []kafka.Message, events int) (rate float64, err error) {
	w := &kafka.Writer{Addr: kafka.TCP(b.broker), Topic: b.topic, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		BatchSize: batch, BatchBytes: 960 << 10, BatchTimeout: time.Nanosecond, Compression: kafka.Snappy, MaxAttempts: 1}
	defer func() { err = errors.Join(err, w.Close()) }()
	began := time.Now()
	for sent := 0; sent < events; sent += len(messages) {
		if err := w.WriteMessages(ctx, messages...); err != nil {
			return 0, err
		}
	}
	return float64(events) / time.Since(began).Seconds(), nil
}

// counter hands out numbers.
type counter struct{ n atomic.Int64 }

func (c *counter) next() int64 { return c.n.Add(1) - 1 }
