package kafkasink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// client is what this package asks of a cluster. It publishes without kafka-go's
// Writer, which may write the second batch of a partition after the first has
// failed.
type client struct {
	kafka     *kafka.Client
	transport *kafka.Transport
	cfg       Config

	mu      sync.Mutex
	dropped time.Time // when the connections and what they know were last given up
}

func newClient(cfg Config) *client {
	transport := &kafka.Transport{
		TLS: cfg.TLS, SASL: cfg.SASL, ClientID: cfg.ClientID,
		DialTimeout: cfg.Timeout, MetadataTTL: time.Minute,
	}
	if cfg.TopicOf == nil {
		transport.MetadataTopics = []string{cfg.Topic}
	}
	return &client{
		cfg:       cfg,
		transport: transport,
		// The timeout is twice the broker's: an answer that says "timed out" is better than none.
		kafka: &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport, Timeout: cfg.Timeout},
	}
}

// forget gives up the connections, and what they know of the cluster: kafka-go
// asks again only when its copy is old, not when a broker says that it leads a
// partition no longer. Many partitions may fail at once, so it does so at most
// every 50 milliseconds.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.dropped) > 50*time.Millisecond {
		c.transport.CloseIdleConnections()
		c.dropped = time.Now()
	}
}

// close ends all connections.
func (c *client) close() { c.transport.CloseIdleConnections() }

// produce publishes one batch to one partition, with the acknowledgement of all
// replicas in sync. Where there is an error the batch may have been written all
// the same, unless the error is permanent.
func (c *client) produce(ctx context.Context, at place, messages []*kafka.Message) error {
	res, err := c.kafka.Produce(ctx, &kafka.ProduceRequest{
		Topic: at.topic, Partition: at.partition, RequiredAcks: kafka.RequireAll,
		Compression: c.cfg.Compression, Records: &records{messages: messages, now: time.Now()},
	})
	if err == nil {
		err = res.Error
	}
	if err == nil {
		return nil
	}
	if !isPermanent(err) {
		c.forget()
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
	return false
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
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		if c.cfg.SASL != nil {
			return fmt.Errorf("the broker hung up: check the user name and the password of Config.SASL, and Config.TLS: %w", err)
		}
		return fmt.Errorf("the broker hung up: check whether it wants Config.TLS or Config.SASL: %w", err)
	case errors.As(err, &untrusted):
		return fmt.Errorf("Config.TLS doesn't trust the broker's certificate: put who has signed it into its RootCAs: %w", err)
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		return fmt.Errorf("%w: create the topic, or correct Config.Topic or Config.TopicOf: %w", ErrNoTopic, err)
	case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
		return fmt.Errorf("%w: give this user the rights to describe the topic, to write to it and, for a mirror, to read it: %w", ErrNotAllowed, err)
	case errors.As(err, &dns), errors.As(err, &op):
		return fmt.Errorf("no broker of Config.Brokers can be reached: %w", err)
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

// describe asks the cluster for a topic, and not the copy that kafka-go keeps.
func (c *client) describe(ctx context.Context, topic string) (topicInfo, error) {
	c.transport.CloseIdleConnections()
	info, err := c.layout(ctx, topic)
	if err != nil {
		return topicInfo{}, err
	}
	res, err := c.kafka.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		ConfigNames: []string{cleanupPolicy, minISR, maxMessageBytes},
	}}})
	if err != nil {
		return topicInfo{}, c.explain(err)
	}
	for _, resource := range res.Resources {
		if errors.Is(resource.Error, kafka.TopicAuthorizationFailed) {
			return info, nil // the right to describe configurations is one of its own
		}
		if resource.Error != nil {
			return topicInfo{}, c.explain(resource.Error)
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
	return info, nil
}

const (
	cleanupPolicy   = "cleanup.policy"
	minISR          = "min.insync.replicas"
	maxMessageBytes = "max.message.bytes"
)

// layout returns the partitions of a topic, as far as kafka-go knows them.
func (c *client) layout(ctx context.Context, topic string) (topicInfo, error) {
	res, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		c.forget()
		return topicInfo{}, c.explain(err)
	}
	for _, t := range res.Topics {
		if t.Name != topic {
			continue
		}
		if t.Error != nil {
			c.forget()
			return topicInfo{}, c.explain(t.Error)
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
	c.forget()
	return topicInfo{}, c.explain(kafka.UnknownTopicOrPartition)
}
