package retrieval_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// TestARowIsFollowedOnceThroughItsKeys counts what the history of a row costs that
// has come back to the same key again and again.
func TestARowIsFollowedOnceThroughItsKeys(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		rounds := 20
		if db.Backend == testdb.SQLite { // more than fits into one UNION
			rounds = 45
		}
		texts := []string{"insert 1 0 y"}
		for range rounds {
			texts = append(texts, "move 1 2", "move 2 3", "move 3 1")
		}
		record(t, db, sqlsink.New(), things(texts...)...)
		watched := db.Open(t)
		var seen statements
		watched.AddQueryHook(&seen)
		all, err := retrieval.For[Thing](watched).Key(1).All(t.Context())
		require.NoError(t, err)
		assert.Len(t, all, len(texts))
		assert.Less(t, len(seen.selects), 15*rounds, "statements for %d changes of keys", 3*rounds)

		var row retrieval.Row[Thing]
		row, err = retrieval.For[Thing](watched).Key(1).RowAsOf(t.Context(), start().Add(time.Duration(len(texts))*time.Minute))
		assert.Equal(t, "0 y", told(row, err))
		assert.Equal(t, sink.Update, row.Event.Op, fmt.Sprint(row.Event.ID))
	})
}
