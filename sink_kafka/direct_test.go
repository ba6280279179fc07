package kafkasink_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

func TestDirectDeliveryPublishesBeforeTheCommit(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := newService(t, db, kafkasink.Config{Delivery: kafkasink.Direct})
		s.insert(t, s, "Jane")
		undo := errors.New("undo")
		require.ErrorIs(t, s.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
			s.insert(t, tx, "John")
			return undo
		}), undo)
		got := s.published(t)
		assert.Len(t, got, 2, "also that of the change that was rolled back")
		for _, m := range got {
			assert.Zero(t, m.Sequence)
		}
	})
}

func TestDirectDeliveryFailsTheChange(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.SQLite)
	s := newService(t, db, kafkasink.Config{Delivery: kafkasink.Direct, Topic: "nowhere", Brokers: []string{"127.0.0.1:1"}, Timeout: time.Second})
	_, err := s.NewInsert().Model(&Customer{Name: "Jane"}).Exec(t.Context())
	var notRecorded *bunaudit.NotRecordedError
	require.ErrorAs(t, err, &notRecorded)
	assert.ErrorContains(t, err, "no broker of Config.Brokers can be reached")
	n, err := db.NewSelect().Model((*Customer)(nil)).Count(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
}
