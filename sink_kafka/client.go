package kafkasink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
)

// client is what this package asks of a cluster. It publishes without kafka-go's
// Writer, which may write the second batch of a partition after the first has
// failed.
type client struct {
	cfg    Config
	topics []string // those that a session knows of; nil: all

	mu       sync.Mutex
	current  *session
	renewing *renewal
	renewed  time.Time // when it was last tried
	answered string    // the one of Config.Brokers that was the last to answer
}

func newClient(cfg Config) *client {
	c := &client{cfg: cfg}
	if cfg.TopicOf == nil {
		c.topics = []string{cfg.Topic}
	}
	return c
}

// produce publishes one batch to one partition, with the acknowledgement of all
// replicas in sync. Where there is an error the batch may have been written all
// the same, unless the error is permanent.
func (c *client) produce(ctx context.Context, at place, records []record) error {
	b := batches.Get().(*batch)
	set, err := b.encode(records, c.cfg.Compression, time.Now())
	if err != nil {
		return err
	}
	res, err := c.session().RawProduce(ctx, &kafka.RawProduceRequest{Topic: at.topic, Partition: at.partition, RequiredAcks: kafka.RequireAll, RawRecords: set})
	if err == nil {
		batches.Put(b) // else it may be being sent still
		err = res.Error
	}
	if err == nil {
		return nil
	}
	if !isPermanent(err) {
		c.renew()
	}
	return c.explain(err)
}

// isPermanent reports whether a batch was refused for what is in it, and nothing
// of it was written. What isn't known to be so is worth another try.
func isPermanent(err error) bool {
	for _, refused := range []kafka.Error{
		kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord, kafka.InvalidTimestamp,
		kafka.PolicyViolation, kafka.UnsupportedForMessageFormat,
	} {
		if errors.Is(err, refused) {
			return true
		}
	}
	return errors.Is(err, errRequestSize)
}

// isTimeout reports whether a broker has not answered in time, or answers that others
// haven't.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// explain says in a sentence what brokers and kafka-go say in a word or not at
// all.
func (c *client) explain(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return fmt.Errorf("the broker refuses the user name or the password of Config.SASL: %w", err)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return fmt.Errorf("the broker doesn't know the mechanism of Config.SASL: %w", err)
	case errors.Is(err, kafka.MessageSizeTooLarge):
		return fmt.Errorf("larger than the topic takes: raise its max.message.bytes, or message.max.bytes of the brokers where it has none: %w", err)
	case errors.Is(err, kafka.RecordListTooLarge):
		return fmt.Errorf("larger than a segment of the topic: raise its segment.bytes: %w", err)
	case hungUp(err):
		if c.cfg.SASL != nil {
			return fmt.Errorf("the broker hung up: where that goes on, check the user name and the password of Config.SASL, and Config.TLS: %w", err)
		}
		return fmt.Errorf("the broker hung up: where that goes on, check whether it wants Config.TLS or Config.SASL: %w", err)
	case errors.As(err, &untrusted):
		return fmt.Errorf("Config.TLS doesn't trust the broker's certificate: put who has signed it into its RootCAs: %w", err)
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		return fmt.Errorf("%w: create the topic, or correct Config.Topic or Config.TopicOf: %w", ErrNoTopic, err)
	case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
		return fmt.Errorf("%w: give this user the rights to describe the topic, to write to it and, for a mirror, to read it: %w", ErrNotAllowed, err)
	case errors.As(err, &dns), errors.As(err, &op):
		return fmt.Errorf("no broker of Config.Brokers can be reached: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the brokers don't answer in time: %w", err)
	}
	return err
}

// topicInfo is what a cluster says of a topic.
type topicInfo struct {
	partitions int
	replicas   int // the fewest that a partition has

	// From the topic's configuration, where this user may see it; else empty.
	cleanupPolicy, minISR, maxMessageBytes string
}

// numbers are those of the partitions.
func (i topicInfo) numbers() []int {
	all := make([]int, i.partitions)
	for n := range all {
		all[n] = n
	}
	return all
}

// describe asks the cluster for a topic as it is now.
func (c *client) describe(ctx context.Context, topic string) (topicInfo, error) {
	info, err := c.ask(ctx, topic)
	return info, c.explain(err)
}

func (c *client) ask(ctx context.Context, topic string) (topicInfo, error) {
	s, err := c.fresh(ctx, []string{topic})
	if err != nil {
		return topicInfo{}, err
	}
	defer s.close()
	info, err := s.layout(ctx, topic)
	if err != nil {
		return topicInfo{}, err
	}
	err = s.configure(ctx, topic, &info)
	return info, err
}

// layout returns the partitions of a topic, as a session knows them.
func (c *client) layout(ctx context.Context, topic string) (topicInfo, error) {
	s := c.session()
	info, err := s.layout(ctx, topic)
	if err != nil || time.Since(s.opened) > metadataTTL { // it may have lost the broker that it asks
		c.renew()
	}
	return info, c.explain(err)
}

func (s *session) layout(ctx context.Context, topic string) (topicInfo, error) {
	res, err := s.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return topicInfo{}, err
	}
	for _, t := range res.Topics {
		if t.Name != topic {
			continue
		}
		if t.Error != nil {
			return topicInfo{}, t.Error
		}
		info := topicInfo{partitions: len(t.Partitions)}
		for i, p := range t.Partitions {
			if i == 0 || len(p.Replicas) < info.replicas {
				info.replicas = len(p.Replicas)
			}
		}
		if info.partitions > 0 {
			return info, nil
		}
	}
	return topicInfo{}, kafka.UnknownTopicOrPartition
}

const (
	cleanupPolicy   = "cleanup.policy"
	minISR          = "min.insync.replicas"
	maxMessageBytes = "max.message.bytes"
)

// configsRequest is kafka-go's, for any broker: its own goes to the controller, or what a
// cluster says is one, which may be the broker that is down.
type configsRequest describeconfigs.Request

// ApiKey implements [kafka.Request].
func (*configsRequest) ApiKey() protocol.ApiKey { return protocol.DescribeConfigs } //nolint:staticcheck // kafka-go's name.

// configure completes what is known of a topic by its configuration.
func (s *session) configure(ctx context.Context, topic string, info *topicInfo) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	answer, err := s.transport.RoundTrip(ctx, s.Addr, &configsRequest{Resources: []describeconfigs.RequestResource{{
		ResourceType: int8(kafka.ResourceTypeTopic), ResourceName: topic,
		ConfigNames: []string{cleanupPolicy, minISR, maxMessageBytes},
	}}})
	if err != nil {
		return err
	}
	res, ok := answer.(*describeconfigs.Response)
	if !ok {
		return fmt.Errorf("a broker answers with %T when asked for the configuration", answer)
	}
	for _, resource := range res.Resources {
		if err := kafka.Error(resource.ErrorCode); err == kafka.TopicAuthorizationFailed {
			return nil // the right to describe configurations is one of its own
		} else if err != 0 {
			return err
		}
		for _, entry := range resource.ConfigEntries {
			switch entry.ConfigName {
			case cleanupPolicy:
				info.cleanupPolicy = entry.ConfigValue
			case minISR:
				info.minISR = entry.ConfigValue
			case maxMessageBytes:
				info.maxMessageBytes = entry.ConfigValue
			}
		}
	}
	return nil
}
