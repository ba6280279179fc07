package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// Note is what the service of the latency changes.
type Note struct {
	bun.BaseModel `bun:"table:notes,audit"`

	ID   int64 `bun:",pk,autoincrement"`
	Text string
}

// load is a way to make events.
type load struct {
	name    string
	every   time.Duration // between two statements
	rows    int           // in each
	clients int
}

func (b *bench) latencies(ctx context.Context, length time.Duration) error {
	b.db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: b.sink}))
	if _, err := b.db.NewRaw("CREATE TABLE ?.notes (id bigserial PRIMARY KEY, text text)", bun.Ident(b.schema)).Exec(ctx); err != nil {
		return err
	}
	for _, l := range []load{{"idle, 50 events/s", 20 * time.Millisecond, 1, 1}, {"5,000 events/s", 8 * time.Millisecond, 10, 4}} {
		if err := b.latency(ctx, l, length); err != nil {
			return err
		}
	}
	return nil
}

// latency measures the time from a commit, as the service sees it, to a consumer.
func (b *bench) latency(ctx context.Context, l load, length time.Duration) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	relay := kafkasink.NewRelay(b.db, b.sink, kafkasink.RelayConfig{})
	all.Go(func() { _ = relay.Run(ctx) })
	var committed, arrived sync.Map
	for p := range partitions {
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.broker}, Topic: b.topic, Partition: p, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		if err := reader.SetOffset(kafka.LastOffset); err != nil {
			return err
		}
		all.Go(func() {
			defer func() { _ = reader.Close() }()
			for {
				m, err := reader.ReadMessage(ctx)
				if err != nil {
					return
				}
				var e struct{ Meta map[string]string }
				if json.Unmarshal(m.Value, &e) == nil && e.Meta["n"] != "" {
					arrived.LoadOrStore(e.Meta["n"]+"/"+string(m.Key), time.Now())
				}
			}
		})
	}
	time.Sleep(2 * time.Second) // the readers are there
	var numbers counter
	var clients sync.WaitGroup
	var failure error
	var once sync.Once
	began := time.Now()
	for range l.clients {
		clients.Go(func() {
			for tick := time.Now(); time.Since(began) < length; tick = tick.Add(l.every) {
				time.Sleep(time.Until(tick))
				n := strconv.FormatInt(numbers.next(), 10)
				notes := make([]Note, l.rows)
				_, err := b.db.NewInsert().Model(&notes).ModelTableExpr("?.notes", bun.Ident(b.schema)).Exec(bunaudit.WithMeta(ctx, "n", n))
				if err != nil {
					once.Do(func() { failure = err })
					return
				}
				committed.Store(n, time.Now())
			}
		})
	}
	clients.Wait()
	took := time.Since(began)
	time.Sleep(2 * time.Second) // the last ones arrive
	stop()
	all.Wait()
	if failure != nil {
		return failure
	}
	var times []time.Duration
	arrived.Range(func(key, at any) bool {
		n, _, _ := strings.Cut(key.(string), "/")
		if c, ok := committed.Load(n); ok {
			times = append(times, max(0, at.(time.Time).Sub(c.(time.Time))))
		}
		return true
	})
	want := int(numbers.n.Load()) * l.rows
	if len(times) < want {
		return errors.Join(relay.Stats().LastError, fmt.Errorf("%d of %d events have arrived", len(times), want))
	}
	slices.Sort(times)
	fmt.Printf("commit to consumer, %s (%.0f/s reached): p50 %v, p99 %v\n", l.name, float64(want)/took.Seconds(),
		times[len(times)/2].Round(10*time.Microsecond), times[len(times)*99/100].Round(10*time.Microsecond))
	return nil
}
