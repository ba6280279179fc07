package kafkasink

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// Stats is the state of a relay. The same figures go to OpenTelemetry's global
// meter, as kafkasink.published, kafkasink.retries, kafkasink.dead_letters,
// kafkasink.latency, kafkasink.batch, kafkasink.pending, kafkasink.oldest_age and
// kafkasink.leader.
type Stats struct {
	// Leader says whether this relay works, and not another.
	Leader bool

	// Published counts the events that brokers have acknowledged, Retries the
	// tries that failed and are made again, DeadLetters the events that went there.
	// All of them since the relay was made.
	Published, Retries, DeadLetters int64

	// Pending is how many events were in the outbox at MeasuredAt, and OldestAge
	// how old the oldest of them was. They are measured every 10 seconds, by every
	// relay, also one that stands by, and whenever there is no backlog.
	Pending    int64
	OldestAge  time.Duration
	MeasuredAt time.Time

	// Latency is the time from when the last acknowledged event was made to its
	// acknowledgement, by the clocks of the programs that did so.
	Latency time.Duration

	// LastError is the last error, of the database or the brokers, and LastErrorAt
	// when it was. They stay when it is over.
	LastError   error
	LastErrorAt time.Time

	// Stopped are the partitions that can't be written to at the moment.
	Stopped []Stopped
}

// Stopped is a partition that can't be written to.
type Stopped struct {
	Topic     string
	Partition int // -1 for the topic as a whole
	Since     time.Time
	Error     error
}

// Stats returns the state of the relay.
func (r *Relay) Stats() Stats {
	r.figures.mu.Lock()
	s := r.figures.Stats
	r.figures.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, stop := range r.stops {
		s.Stopped = append(s.Stopped, Stopped{Topic: at.topic, Partition: at.partition, Since: stop.since, Error: stop.err})
	}
	slices.SortFunc(s.Stopped, func(a, b Stopped) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return a.Partition - b.Partition
	})
	return s
}

// measureEvery is how often the outbox is counted.
const measureEvery = 10 * time.Second

type figures struct {
	mu sync.Mutex
	Stats

	publishedCount, retryCount, deadCount metric.Int64Counter
	latency                               metric.Float64Histogram
	batch                                 metric.Int64Histogram
	pending, leader                       metric.Int64Gauge
	oldest                                metric.Float64Gauge
}

func newFigures() *figures {
	meter := otel.Meter("github.com/sqlaudit/bun/sink_kafka")
	f := &figures{}
	// The errors are of names that can't be used, which these can.
	f.publishedCount, _ = meter.Int64Counter("kafkasink.published", metric.WithDescription("events acknowledged by the brokers"))
	f.retryCount, _ = meter.Int64Counter("kafkasink.retries", metric.WithDescription("tries to publish that failed and are made again"))
	f.deadCount, _ = meter.Int64Counter("kafkasink.dead_letters", metric.WithDescription("events that can't be published"))
	f.latency, _ = meter.Float64Histogram("kafkasink.latency", metric.WithUnit("s"),
		metric.WithDescription("from the making of an event to its acknowledgement"))
	f.batch, _ = meter.Int64Histogram("kafkasink.batch", metric.WithDescription("events in a batch"))
	f.pending, _ = meter.Int64Gauge("kafkasink.pending", metric.WithDescription("events in the outbox"))
	f.leader, _ = meter.Int64Gauge("kafkasink.leader", metric.WithDescription("1 where this relay works"))
	f.oldest, _ = meter.Float64Gauge("kafkasink.oldest_age", metric.WithUnit("s"), metric.WithDescription("age of the oldest event in the outbox"))
	return f
}

func (f *figures) published(ctx context.Context, events []*outgoing) {
	latency := time.Since(events[0].made)
	f.mu.Lock()
	f.Published += int64(len(events))
	f.Latency = latency
	f.mu.Unlock()
	f.publishedCount.Add(ctx, int64(len(events)))
	f.batch.Record(ctx, int64(len(events)))
	f.latency.Record(ctx, latency.Seconds()) // of the oldest in the batch
}

func (f *figures) retried(ctx context.Context) {
	f.mu.Lock()
	f.Retries++
	f.mu.Unlock()
	f.retryCount.Add(ctx, 1)
}

func (f *figures) buried(ctx context.Context) {
	f.mu.Lock()
	f.DeadLetters++
	f.mu.Unlock()
	f.deadCount.Add(ctx, 1)
}

func (f *figures) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.LastError, f.LastErrorAt = err, time.Now()
}

func (f *figures) leads(yes bool) {
	f.mu.Lock()
	f.Leader = yes
	f.mu.Unlock()
	n := int64(0)
	if yes {
		n = 1
	}
	f.leader.Record(context.Background(), n)
}

// left notes what a pass that has seen all has left behind.
func (f *figures) left(events []outgoing, done []int64) {
	n := len(events) - len(done)
	if n == 0 {
		f.set(0, 0)
		return
	}
	gone := make(map[int64]bool, len(done))
	for _, seq := range done {
		gone[seq] = true
	}
	first := slices.IndexFunc(events, func(e outgoing) bool { return !gone[e.seq] })
	f.set(int64(n), time.Since(events[first].made))
}

func (f *figures) set(pending int64, age time.Duration) {
	f.mu.Lock()
	f.Pending, f.OldestAge, f.MeasuredAt = pending, age, time.Now()
	f.mu.Unlock()
	f.pending.Record(context.Background(), pending)
	f.oldest.Record(context.Background(), age.Seconds())
}

// measure counts the outbox, where nothing has said for long what is in it.
func (f *figures) measure(ctx context.Context, r *Relay) {
	f.mu.Lock()
	due := time.Since(f.MeasuredAt) >= measureEvery
	f.mu.Unlock()
	if !due {
		return
	}
	var n int64
	var oldest eventrow.Time
	outbox := r.sink.cfg.outbox().Expr()
	err := r.db.NewSelect().ColumnExpr("count(*)").ModelTableExpr("?", outbox).Model((*eventrow.Row)(nil)).Scan(ctx, &n)
	if err == nil && n > 0 {
		err = r.db.NewSelect().ColumnExpr("e.time").ModelTableExpr("? AS e", outbox).Model((*eventrow.Row)(nil)).
			OrderExpr("e.seq").Limit(1).Scan(ctx, &oldest)
	}
	var age time.Duration
	switch {
	case isNoRows(err): // published meanwhile
	case err != nil:
		return // whoever works says so
	case n > 0:
		age = time.Since(oldest.Time())
	}
	f.set(n, age)
}
