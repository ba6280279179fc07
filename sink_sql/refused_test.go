package sqlsink_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// What PostgreSQL's jsonb and btree can't hold is an error, never another value.
func TestWhatPostgresCannotHoldIsRefused(t *testing.T) {
	var long strings.Builder // random: a text that compresses well would fit
	for long.Len() < 8000 {
		fmt.Fprintf(&long, "%016x", rand.Uint64())
	}
	for name, spoil := range map[string]func(*sink.Event){
		"NUL in a value":          func(e *sink.Event) { e.Changes["name"] = sink.Change{New: json.RawMessage(`"a\u0000b"`)} },
		"NUL in a key":            func(e *sink.Event) { e.Key = sink.Values{"id": json.RawMessage(`"a\u0000b"`)} },
		"half a surrogate pair":   func(e *sink.Event) { e.Changes["name"] = sink.Change{New: json.RawMessage(`"\ud800"`)} },
		"a key of 8,000 bytes":    func(e *sink.Event) { e.Key = sink.Values{"id": json.RawMessage(`"` + long.String() + `"`)} },
		"an old key of that size": func(e *sink.Event) { e.OldKey = sink.Values{"id": json.RawMessage(`"` + long.String() + `"`)} },
	} {
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				s := sqlsink.New()
				require.NoError(t, s.CreateTable(t.Context(), db))
				e := event(1)
				spoil(&e)
				err := inTx(t, db, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, []sink.Event{e}) })
				if db.Backend != testdb.Postgres {
					require.NoError(t, err)
					assert.Equal(t, []sink.Event{e}, stored(t, db.DB, defaultTable()))
					return
				}
				require.Error(t, err)
				assert.NotErrorIs(t, err, sqlsink.ErrNoTable)
				assert.NotContains(t, err.Error(), long.String()[:20])
				assert.Empty(t, stored(t, db.DB, defaultTable()))
			})
		})
	}
}

// Text of people, unlike a value, is worth less than the change that it belongs
// to: what no database can hold in it is replaced.
func TestTextThatNoDatabaseCanHoldIsReplaced(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))
		e := event(1)
		e.Reason, e.Meta = "a\x00b\xff", map[string]string{"user_agent": "x\x00\xc3"}
		require.NoError(t, inTx(t, db, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, []sink.Event{e}) }))
		got := stored(t, db.DB, defaultTable())
		require.Len(t, got, 1)
		assert.Equal(t, "a\uFFFDb\uFFFD", got[0].Reason)
		assert.Equal(t, map[string]string{"user_agent": "x\uFFFD\uFFFD"}, got[0].Meta)
	})
}

// A connection that dies takes change and events with it, and the error is the
// driver's.
func TestKilledConnectionLeavesNoEvent(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, s.Write(t.Context(), tx, events(1)))
		db.KillConnections(t)
		require.Error(t, s.Write(t.Context(), tx, events(1200)))
		_ = tx.Rollback()
		assert.Empty(t, stored(t, db.DB, defaultTable()))
	})
}

// Only PostgreSQL: SQLite's driver waits for its busy timeout, whatever the
// context says.
func TestWriteGivesUpWhenTheContextEndsWhileItWaits(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	s := sqlsink.New()
	require.NoError(t, s.CreateTable(t.Context(), db))
	first, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Write(t.Context(), first, events(1)))

	// The same ID: the second writer has to wait for the first one's end.
	second, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Write(ctx, second, events(1)), context.DeadlineExceeded)
	_ = second.Rollback()
	require.NoError(t, first.Commit())
	assert.Equal(t, events(1), stored(t, db.DB, defaultTable()))
}

// cancelling ends the caller's context before its nth statement.
type cancelling struct {
	sink.Tx
	n      *int
	cancel context.CancelFunc
}

func (tx cancelling) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if *tx.n--; *tx.n == 0 {
		tx.cancel()
	}
	return tx.Tx.ExecContext(ctx, query, args...)
}

// The context of the statement ends, the transaction's own does not: a hook that
// degrades would commit what the first statements have written.
func TestContextThatEndsHalfWayLeavesNoEvent(t *testing.T) {
	for n := 1; n <= 5; n++ { // SAVEPOINT, three times INSERT, RELEASE
		t.Run(fmt.Sprintf("before statement %d", n), func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				s := sqlsink.New()
				require.NoError(t, s.CreateTable(t.Context(), db))
				tx, err := db.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				left := n
				require.ErrorIs(t, s.Write(ctx, hookTx{cancelling{tx, &left, cancel}, db.DB}, events(1200)), context.Canceled)
				_ = tx.Commit()
				assert.Empty(t, stored(t, db.DB, defaultTable()))
			})
		})
	}
}
