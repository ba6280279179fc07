// Package testkafka gives tests topics on a real Kafka broker, and reads them.
//
// The broker is the one that the environment variable BUNAUDIT_TEST_KAFKA names,
// as host:port. Where it is missing a test is skipped with a sentence that says
// how to run it, or fails where BUNAUDIT_TEST_REQUIRE is set to anything.
//
// Each test has topics of its own, which are deleted after it. Only tests import
// this package.
package testkafka

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/sqlaudit/bun/internal/testdb"
)

const brokerEnv = "BUNAUDIT_TEST_KAFKA"

// Broker returns the address of the broker.
func Broker(t testing.TB) string {
	t.Helper()
	address := os.Getenv(brokerEnv)
	if address == "" {
		testdb.Missing(t, brokerEnv+" is not set: give it the address of a Kafka broker, as in 127.0.0.1:9092, or run make test, which starts one")
	}
	return address
}

// Client returns a client of a broker, whose connections are closed when the
// test ends.
func Client(t testing.TB, broker string) *kafka.Client {
	t.Helper()
	transport := &kafka.Transport{MetadataTTL: time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(broker), Transport: transport, Timeout: 20 * time.Second}
}

// Topic creates a topic of a name of its own, with settings as in
// "max.message.bytes=1000", and deletes it when the test ends.
func Topic(t testing.TB, partitions int, settings ...string) string {
	t.Helper()
	name := "bunaudit-" + strings.ToLower(rand.Text())
	Create(t, Broker(t), name, partitions, settings...)
	t.Cleanup(func() { Delete(t, Broker(t), name) })
	return name
}

// Create creates a topic, and returns when it can be used.
func Create(t testing.TB, broker, name string, partitions int, settings ...string) {
	t.Helper()
	CreateReplicated(t, broker, name, partitions, 1, settings...)
}

// CreateReplicated is like Create with so many replicas. Brokers that were just
// started may be missing yet, so it waits for them.
func CreateReplicated(t testing.TB, broker, name string, partitions, replicas int, settings ...string) {
	t.Helper()
	create(t, broker, kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: replicas}, partitions, settings)
}

// CreateAt is like Create with a partition for each of the brokers, named by their
// numbers, which alone has it.
func CreateAt(t testing.TB, broker, name string, brokers []int, settings ...string) {
	t.Helper()
	config := kafka.TopicConfig{Topic: name, NumPartitions: -1, ReplicationFactor: -1}
	for p, b := range brokers {
		config.ReplicaAssignments = append(config.ReplicaAssignments, kafka.ReplicaAssignment{Partition: p, Replicas: []int{b}})
	}
	create(t, broker, config, len(brokers), settings)
}

func create(t testing.TB, broker string, config kafka.TopicConfig, partitions int, settings []string) {
	t.Helper()
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	ctx, cancel := limited()
	defer cancel()
	client := Client(t, broker)
	var err error
	for {
		var res *kafka.CreateTopicsResponse
		if res, err = client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}}); err == nil {
			err = res.Errors[config.Topic]
		}
		if !errors.Is(err, kafka.InvalidReplicationFactor) && !errors.Is(err, kafka.InvalidReplicaAssignment) || ctx.Err() != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("testkafka: create topic: %v", err)
	}
	for p := range partitions { // a broker takes a moment to lead them
		for {
			_, err := readPartition(ctx, client, config.Topic, p)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("testkafka: partition %d of the new topic: %v", p, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// Delete deletes a topic, where it is there. The broker may have it for a moment
// still.
func Delete(t testing.TB, broker, name string) {
	t.Helper()
	client := Client(t, broker)
	ctx, cancel := limited()
	defer cancel()
	res, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err == nil {
		err = res.Errors[name]
	}
	if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("testkafka: delete topic: %v", err)
	}
}

// limited returns a context for clean-up too, when the test's own has ended.
func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}

// Read returns all that a topic holds, partition after partition.
func Read(t testing.TB, broker, topic string) []kafka.Message {
	t.Helper()
	ctx, cancel := limited()
	defer cancel()
	client := Client(t, broker)
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		t.Fatalf("testkafka: read topic: %v", err)
	}
	var all []kafka.Message
	for p := range meta.Topics[0].Partitions {
		messages, err := readPartition(ctx, client, topic, p)
		if err != nil {
			t.Fatalf("testkafka: read partition %d: %v", p, err)
		}
		all = append(all, messages...)
	}
	return all
}

func readPartition(ctx context.Context, client *kafka.Client, topic string, partition int) ([]kafka.Message, error) {
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)},
	}})
	if err != nil {
		return nil, err
	}
	bounds := offsets.Topics[topic][0]
	if bounds.Error != nil {
		return nil, bounds.Error
	}
	var all []kafka.Message
	for at := bounds.FirstOffset; at < bounds.LastOffset; {
		res, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Partition: partition, Offset: at, MinBytes: 1, MaxBytes: 4 << 20, MaxWait: time.Second})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return nil, err
		}
		for {
			rec, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			m, err := message(rec)
			if err != nil {
				return nil, err
			}
			if m.Offset < at {
				continue // a batch is delivered whole
			}
			m.Topic, m.Partition = topic, partition
			all = append(all, m)
			at = m.Offset + 1
		}
	}
	return all, nil
}

func message(rec *kafka.Record) (kafka.Message, error) {
	key, err := kafka.ReadAll(rec.Key)
	if err != nil {
		return kafka.Message{}, err
	}
	value, err := kafka.ReadAll(rec.Value)
	if err != nil {
		return kafka.Message{}, err
	}
	return kafka.Message{Offset: rec.Offset, Time: rec.Time, Key: key, Value: value, Headers: rec.Headers}, nil
}
