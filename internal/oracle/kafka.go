package oracle

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"

	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// carrier takes events by way of Kafka to the table that the oracle reads: the
// audit writes them to an outbox, a relay publishes them, and a mirror stores what
// arrives. Relay and mirror work while a program runs, with connections that end as
// those of its clients do; then they are stopped, and started again for the rest.
// Nil: the oracle reads the table that the audit writes to.
type carrier struct {
	cfg    kafkasink.Config
	outbox *kafkasink.Sink
	events *sqlsink.Sink // where the mirror stores them
	open   func() *bun.DB
	client *kafka.Client
}

const carrierPartitions = 3

// newCarrier makes a topic, and the tables.
func newCarrier(ctx context.Context, s Setup, db *bun.DB, events *sqlsink.Sink) (*carrier, error) {
	c := &carrier{events: events, open: s.Open, client: &kafka.Client{Addr: kafka.TCP(s.Kafka)}}
	c.cfg = kafkasink.Config{
		Brokers: []string{s.Kafka}, Topic: "bunaudit-oracle-" + strings.ToLower(rand.Text()), Timeout: 5 * time.Second,
		Log: slog.New(slog.DiscardHandler),
	}
	res, err := c.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: c.cfg.Topic, NumPartitions: carrierPartitions, ReplicationFactor: 1}},
	})
	if err == nil {
		err = res.Errors[c.cfg.Topic]
	}
	if err != nil {
		return nil, fmt.Errorf("oracle: create topic: %w", err)
	}
	c.outbox = kafkasink.New(c.cfg)
	err = errors.Join(c.outbox.CreateTable(ctx, db), c.mirror(db).CreateTable(ctx, db))
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// close deletes the topic.
func (c *carrier) close() error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := c.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{c.cfg.Topic}})
	return err
}

// mirror returns a mirror that notes where in the outbox an event was.
func (c *carrier) mirror(db *bun.DB) *kafkasink.Mirror {
	return kafkasink.NewMirror(db, c.events, c.cfg, kafkasink.MirrorConfig{Edit: func(m *kafkasink.Message) {
		if m.Event.Meta == nil {
			m.Event.Meta = map[string]string{}
		}
		m.Event.Meta["sequence"] = fmt.Sprintf("%020d", m.Sequence)
	}})
}

// start starts relay and mirror. They end with the function that it returns.
func (c *carrier) start(ctx context.Context) (stop func() error) {
	if c == nil {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	db := c.open()
	relay := kafkasink.NewRelay(db, c.outbox, kafkasink.RelayConfig{
		Batch: 50, Poll: 50 * time.Millisecond, LeaseTTL: time.Second, MaxBackoff: 200 * time.Millisecond,
	})
	mirror := c.mirror(db)
	var both sync.WaitGroup
	var errs [2]error
	both.Go(func() { errs[0] = relay.Run(ctx) })
	both.Go(func() { errs[1] = mirror.Run(ctx) })
	return func() error {
		cancel()
		both.Wait()
		if dead := relay.Stats().DeadLetters; dead > 0 {
			errs[0] = errors.Join(errs[0], fmt.Errorf("%d events went to the dead letters", dead))
		}
		if n := mirror.Stats().Rejected; n > 0 {
			errs[1] = errors.Join(errs[1], fmt.Errorf("the mirror has set %d messages aside", n))
		}
		return errors.Join(errs[0], errs[1], db.Close())
	}
}

// arrive has all events that are on their way arrive.
func (c *carrier) arrive(ctx context.Context, plain *bun.DB) error {
	if c == nil {
		return nil
	}
	stop := c.start(ctx)
	err := errors.New("oracle: events do not arrive by way of Kafka")
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && pause(ctx, 10*time.Millisecond); {
		left, countErr := c.underway(ctx, plain)
		if countErr != nil || left == 0 {
			err = countErr
			break
		}
	}
	return errors.Join(err, stop())
}

// underway is how many events are in the outbox, or messages not in the mirror.
func (c *carrier) underway(ctx context.Context, plain *bun.DB) (int64, error) {
	var left int64
	if err := plain.NewSelect().Table(kafkasink.DefaultTable).ColumnExpr("COUNT(*)").Scan(ctx, &left); err != nil || left > 0 {
		return left, err
	}
	var ends []kafka.OffsetRequest
	for p := range carrierPartitions {
		ends = append(ends, kafka.LastOffsetOf(p))
	}
	res, err := c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{c.cfg.Topic: ends}})
	if err != nil {
		return 0, err
	}
	for _, p := range res.Topics[c.cfg.Topic] {
		if p.Error != nil {
			return 0, p.Error
		}
		left += p.LastOffset
	}
	var stored int64
	err = plain.NewSelect().Table(kafkasink.DefaultMirrorTable).ColumnExpr("COALESCE(SUM(next_offset), 0)").Scan(ctx, &stored)
	return left - stored, err
}

// inOrder puts events, which are in the order of their arrival, into that of the
// outbox. It reports where a row's are not in it already.
func (c *carrier) inOrder(events []change) (found []string) {
	if c == nil {
		return nil
	}
	last := map[string]*change{}
	for i := range events {
		e := &events[i]
		row := e.table.name + " " + e.key
		if before := last[row]; before != nil && before.sequence > e.sequence {
			found = append(found, fmt.Sprintf("row %s: %s has arrived after %s", row, e, before))
		}
		last[row] = e
	}
	slices.SortStableFunc(events, func(a, b change) int { return strings.Compare(a.sequence, b.sequence) })
	return found
}
