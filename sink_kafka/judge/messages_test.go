package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sqlaudit/bun/internal/testkafka"
)

// A consumer that knows CloudEvents and JSON, and nothing of this library, on the
// real Kafka.
func TestIndependentConsumerReadsCloudEvents(t *testing.T) {
	t.Parallel()
	broker := testkafka.Broker(t)
	cfg := config(t, broker)
	cfg.Topic, cfg.Source = testkafka.Topic(t, 3), "/shop"
	db, s := outbox(t, cfg, 3)
	start(t, db, s, 100)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(cfg.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic(cfg.Topic)
	last := map[string]string{}
	for n := 0; n < 30; {
		fetches := client.PollFetches(ctx)
		require.NoError(t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			h := map[string]string{}
			for _, header := range r.Headers {
				h[header.Key] = string(header.Value)
			}
			var value struct {
				V     int
				ID    string
				Table string
				Time  string
				Key   map[string]json.RawMessage
			}
			require.NoError(t, json.Unmarshal(r.Value, &value))
			assert.Equal(t, 1, value.V)
			assert.Equal(t, "application/json", h["content-type"])
			assert.Equal(t, "1.0", h["ce_specversion"])
			assert.Equal(t, value.ID, h["ce_id"])
			assert.Equal(t, "/shop", h["ce_source"])
			assert.Equal(t, "io.sqlaudit.row.update.v1", h["ce_type"])
			assert.Equal(t, value.Table+"/"+string(value.Key["id"]), h["ce_subject"])
			assert.Equal(t, value.Time, h["ce_time"])
			assert.Equal(t, string(r.Key), h["ce_partitionkey"])
			assert.Len(t, h["ce_sequence"], 20)
			assert.Greater(t, h["ce_sequence"], last[string(r.Key)])
			last[string(r.Key)] = h["ce_sequence"]
			assert.EqualValues(t, partitioner.Partition(r, 3), r.Partition, "another client would choose another partition")
		})
	}
}

// The golden messages are what the schema says, and what is none is told.
func TestGoldenMessagesFollowTheSchema(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "event.schema.json"))
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join("..", "testdata", "v1", "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	validate := func(text []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		require.NoError(t, err)
		return schema.Validate(doc)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, value, found := strings.Cut(string(text), "\n\n")
		require.True(t, found)
		assert.NoError(t, validate([]byte(value)), file)
		for was, is := range map[string]string{
			`"v":1`: `"v":2`, `"id":"0`: `"id":"x`, `"op":"`: `"op":"un`, `"table":"`: `"elbat":"`, `"time":"`: `"time":"at `, `"tx":"`: `"xt":"`,
		} {
			spoilt := strings.Replace(value, was, is, 1)
			assert.Error(t, validate([]byte(spoilt)), "%s with %s", file, is)
		}
	}
}
