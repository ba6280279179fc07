package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// blocking says why nothing may be published to a topic.
func (i topicInfo) blocking() error {
	if strings.Contains(i.cleanupPolicy, "compact") {
		return fmt.Errorf("%w: set its cleanup.policy to delete", ErrCompacted)
	}
	return nil
}

// risky says what makes publishing to a topic less safe or slower.
func (i topicInfo) risky(maxBatchBytes int) error {
	var errs []error
	if n, err := strconv.Atoi(i.minISR); err == nil && n < 2 && i.replicas > 1 {
		errs = append(errs, fmt.Errorf("%w: set its min.insync.replicas to 2", ErrMinISR))
	}
	if n, err := strconv.Atoi(i.maxMessageBytes); err == nil && n < maxBatchBytes {
		errs = append(errs, fmt.Errorf("%w: its max.message.bytes is %d, and Config.MaxBatchBytes %d", ErrMessageBytes, n, maxBatchBytes))
	}
	return errors.Join(errs...)
}

// checkTopic reports all that is wrong with a topic, and what is known of it where it
// could be asked for.
func (c *client) checkTopic(ctx context.Context, topic string) (topicInfo, error) {
	info, err := c.describe(ctx, topic)
	if err == nil {
		err = errors.Join(info.blocking(), info.risky(c.cfg.MaxBatchBytes))
	}
	if err != nil {
		err = fmt.Errorf("kafkasink: check topic %s: %w", topic, err)
	}
	return info, err
}

// Check reports all that would keep this relay from publishing to the topic of
// its configuration, or make that less safe: what brokers can't be reached for, the
// errors of this package (ErrNoTopic and so on), and the tables that are missing.
// Call it at start-up. It changes nothing.
func (r *Relay) Check(ctx context.Context) error {
	if err := r.sink.Check(ctx, r.db); err != nil {
		return err
	}
	topic := r.sink.cfg.Topic
	info, err := r.sink.client.checkTopic(ctx, topic)
	if info.partitions > 0 {
		known, knownErr := r.notedPartitions(ctx, topic)
		switch {
		case isNoRows(knownErr):
		case knownErr != nil:
			err = errors.Join(err, fmt.Errorf("kafkasink: check outbox: %w", knownErr))
		case known != info.partitions:
			err = errors.Join(err, fmt.Errorf("kafkasink: check topic %s: %w", topic, otherPartitions(info.partitions, known)))
		}
	}
	return err
}
