package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// publish sends the events of a statement before its transaction commits, each
// partition in order. It is tried once: an event that may have been published is
// worse here than a change that is refused.
func (s *Sink) publish(ctx context.Context, events []sink.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	batches := make(map[place][]record)
	records := newRecorder(s.cfg.Source, len(events))
	for i := range events {
		at, r, err := s.address(ctx, records, &events[i])
		if err != nil {
			return err
		}
		batches[at] = append(batches[at], r)
	}
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for at, records := range batches {
		all.Go(func() {
			if err := s.send(ctx, at, records); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// address makes the record of an event and says where it goes.
func (s *Sink) address(ctx context.Context, records *recorder, e *sink.Event) (place, record, error) {
	row, err := eventrow.FromEvent(e)
	if err != nil {
		return place{}, nil, err
	}
	r, err := records.record(&row)
	if err != nil {
		return place{}, nil, err
	}
	topic, err := s.cfg.topicOf(&row)
	if err != nil {
		return place{}, nil, err
	}
	info, err := s.client.layout(ctx, topic)
	if err != nil {
		return place{}, nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	return place{topic, partitionOf(r.key(), info.numbers())}, r, nil
}

func (s *Sink) send(ctx context.Context, at place, records []record) error {
	for len(records) > 0 {
		batch := fitting(records, s.cfg.MaxBatchBytes)
		if err := s.client.produce(ctx, at, batch); err != nil {
			return fmt.Errorf("%s: %w", at, s.client.explainHangUp(ctx, at, batch, err))
		}
		records = records[len(batch):]
	}
	return nil
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int
}

func (p place) String() string { return fmt.Sprintf("topic %s, partition %d", p.topic, p.partition) }

// partitionOf returns the one of the partitions that a key goes to, as Java's
// clients choose it.
func partitionOf(key []byte, partitions []int) int {
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, partitions...)
}
