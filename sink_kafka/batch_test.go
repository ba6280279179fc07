package kafkasink_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testkafka"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// The broker takes batches of every compression, and kafka-go reads them: with as
// many messages, and messages as long, as make a number in them one byte longer.
func TestCompressions(t *testing.T) {
	t.Parallel()
	for name, compression := range map[string]kafka.Compression{
		"default": 0, "uncompressed": kafkasink.Uncompressed, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := testkafka.Topic(t, 1)
			s := kafkasink.New(configured(t, kafkasink.Config{Topic: topic, Delivery: kafkasink.Direct, Compression: compression}))
			var events []sink.Event
			add := func(n int) {
				events = append(events, sink.Event{
					ID: uuid(len(events)), Tx: uuid(0), Time: time.Unix(0, 0), Op: sink.Insert, Table: "customers", Model: "Customer", Key: sink.Values{"id": json.RawMessage(strconv.Itoa(len(events)))},
					Changes: map[string]sink.Change{"name": {New: json.RawMessage(`"` + strings.Repeat("x", n) + `"`)}},
				})
			}
			for n := range 130 { // as many messages
				add(n)
			}
			for n := 7400; n < 8300; n++ { // a message is some hundred bytes longer than the name
				add(n)
			}
			add(300_000)
			require.NoError(t, s.Write(t.Context(), nil, events))
			got := decoded(t, testkafka.Read(t, testkafka.Broker(t), topic))
			require.Len(t, got, len(events))
			for i := range got {
				require.Equal(t, events[i].Key, got[i].Event.Key)
				require.Equal(t, events[i].Changes, got[i].Event.Changes)
			}
		})
	}
}
