package oracle

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
)

// What comes out of outbox, relay, topic and mirror is what the triggers saw.
func TestTheRecordsAgreeByWayOfKafka(t *testing.T) {
	t.Parallel()
	for name, separate := range map[string]bool{"one statement": false, "separate statements": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := testkafka.Broker(t)
			db := testdb.New(t, testdb.Postgres)
			w, err := Open(t.Context(), Setup{
				Open:      func() *bun.DB { return db.Open(t) },
				Configure: func(cfg *bunaudit.Config) { cfg.SeparateStatements = separate },
				Seed:      1, Kafka: broker,
			})
			require.NoError(t, err)
			defer func() { require.NoError(t, w.Close()) }()
			for seed := uint64(1); seed <= 2; seed++ {
				r, err := w.Round(t.Context(), Options{Seed: seed, Blocks: 15, Kill: true})
				require.NoError(t, err)
				require.Empty(t, r.Differences, "seed %d", seed)
				require.NotZero(t, r.Events)
			}
		})
	}
}

// Events that arrive in another order than they were written in are told.
func TestOrderOfArrivalCanBeWrong(t *testing.T) {
	t.Parallel()
	events := []change{
		{table: &table{name: "a"}, key: "1", sequence: "3"},
		{table: &table{name: "a"}, key: "2", sequence: "1"}, // of another row: no matter
		{table: &table{name: "a"}, key: "1", sequence: "2"},
	}
	assert.Len(t, new(carrier).inOrder(events), 1)
	assert.Equal(t, []string{"1", "2", "3"}, []string{events[0].sequence, events[1].sequence, events[2].sequence})
	assert.Empty(t, new(carrier).inOrder(events))
}
