package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// errRequestSize means that a batch is larger than a request that the broker takes.
var errRequestSize = errors.New("larger than any request that the broker takes")

const (
	requestBytes = "socket.request.max.bytes"

	// largeRequest is the least size of a batch that a broker may hang up for: by default
	// they take a hundred times as much.
	largeRequest = 1 << 20
)

// hungUp reports whether a broker has closed the connection in place of an answer.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// explainHangUp completes the error of a broker that has hung up on a batch, which is
// what they do, without a word, on a request that is too large for them. It is said for
// certain, and by errRequestSize, where the broker can be asked for its limit.
func (c *client) explainHangUp(ctx context.Context, at place, records []record, err error) error {
	size := 0
	for _, r := range records {
		size += r.size()
	}
	if !hungUp(err) || size < largeRequest {
		return err
	}
	limit, askErr := c.requestLimit(ctx, at)
	if askErr != nil {
		return fmt.Errorf("a batch of %d bytes before compression may be larger than the broker's %s, which it doesn't let us see: %w", size, requestBytes, err)
	}
	if limit < size { // or else it may still be so
		set, encodeErr := new(batch).encode(records, c.cfg.Compression, time.Now())
		if encodeErr != nil {
			return errors.Join(err, encodeErr)
		}
		size = int(set.Reader.(interface{ Size() int64 }).Size())
	}
	if limit >= size {
		return err
	}
	return fmt.Errorf("%w: %d bytes, and its %s is %d, which is to be raised", errRequestSize, size, requestBytes, limit)
}

// requestLimit asks the broker that leads a partition for the largest request it takes.
func (c *client) requestLimit(ctx context.Context, at place) (int, error) {
	s, err := c.fresh(ctx, []string{at.topic})
	if err != nil {
		return 0, err
	}
	defer s.close()
	meta, err := s.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{at.topic}})
	if err != nil {
		return 0, err
	}
	leader := -1
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			if p.ID == at.partition {
				leader = p.Leader.ID
			}
		}
	}
	res, err := s.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeBroker, ResourceName: strconv.Itoa(leader), ConfigNames: []string{requestBytes},
	}}})
	if err != nil {
		return 0, err
	}
	for _, r := range res.Resources {
		for _, entry := range r.ConfigEntries {
			if entry.ConfigName == requestBytes {
				return strconv.Atoi(entry.ConfigValue)
			}
		}
	}
	return 0, errors.New("the broker doesn't say")
}
