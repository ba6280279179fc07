package retrieval_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// atLock calls do before the first query that passes over what is locked.
type atLock struct {
	once sync.Once
	do   func()
}

func (h *atLock) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if strings.Contains(e.Query, "SKIP LOCKED") {
		h.once.Do(h.do)
	}
	return ctx
}

func (*atLock) AfterQuery(context.Context, *bun.QueryEvent) {}

// A row that is inserted between others after the page was looked at has an event of
// its own, and needs no second one; one that was deleted has none.
func TestBaselineWhileRowsComeAndGo(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		if db.Backend == testdb.SQLite {
			t.Skip("a page is read under the lock of all rows")
		}
		pool := audited(t, db, (*Person)(nil))
		rows := people(20)
		for i := range rows {
			rows[i].ID = int64(2 * (i + 1))
		}
		_, err := db.NewInsert().Model(&rows).Exec(t.Context())
		require.NoError(t, err)
		own := db.Open(t)
		own.AddQueryHook(&atLock{do: func() {
			between := people(1)
			between[0].ID = 7
			_, err := pool.NewInsert().Model(&between).Exec(t.Context())
			require.NoError(t, err)
			exec(t, db, "DELETE FROM people WHERE id = 8")
		}})
		n, err := retrieval.For[Person](own).Baseline(t.Context(), retrieval.BaselineOptions{HashKey: hashKey, BatchSize: 10})
		require.NoError(t, err)
		assert.Equal(t, int64(19), n)
		events, err := retrieval.For[Person](db).Key(7).All(t.Context())
		require.NoError(t, err)
		require.Len(t, events, 1)
		assert.Equal(t, sink.Insert, events[0].Op)
		assert.Empty(t, findings(t, retrieval.For[Person](pool), retrieval.VerifyOptions{HashKey: hashKey}))
	})
}
