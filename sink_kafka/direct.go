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
	batches := make(map[place][]kafka.Message)
	for i := range events {
		at, m, err := s.address(ctx, &events[i])
		if err != nil {
			return err
		}
		batches[at] = append(batches[at], m)
	}
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for at, messages := range batches {
		all.Go(func() {
			if err := s.send(ctx, at, messages); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// address makes the message of an event and says where it goes.
func (s *Sink) address(ctx context.Context, e *sink.Event) (place, kafka.Message, error) {
	row, err := eventrow.FromEvent(e)
	if err != nil {
		return place{}, kafka.Message{}, err
	}
	m, err := newEncoder(s.cfg.Source, 1).encode(&row)
	if err != nil {
		return place{}, kafka.Message{}, err
	}
	topic, err := s.cfg.topicOf(&row)
	if err != nil {
		return place{}, kafka.Message{}, err
	}
	info, err := s.client.layout(ctx, topic)
	if err != nil {
		return place{}, kafka.Message{}, fmt.Errorf("topic %s: %w", topic, err)
	}
	return place{topic, partitionOf(m.Key, info.partitions)}, m, nil
}

func (s *Sink) send(ctx context.Context, at place, messages []kafka.Message) error {
	for len(messages) > 0 {
		var batch []*kafka.Message
		for size := 0; len(batch) < len(messages); {
			m := &messages[len(batch)]
			if size += sizeOf(m); len(batch) > 0 && size > s.cfg.MaxBatchBytes {
				break
			}
			batch = append(batch, m)
		}
		if err := s.client.produce(ctx, at, batch); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		messages = messages[len(batch):]
	}
	return nil
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int
}

func (p place) String() string { return fmt.Sprintf("topic %s, partition %d", p.topic, p.partition) }

// partitionOf returns the partition of a key, as Java's clients choose it.
func partitionOf(key []byte, partitions int) int {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, all...)
}

// sizeOf estimates the bytes that a message takes in a batch.
func sizeOf(m *kafka.Message) int {
	n := 32 + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += 4 + len(h.Key) + len(h.Value)
	}
	return n
}
