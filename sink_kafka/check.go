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
