package sqlsink_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// What the comment of WithDB promises: the event is committed before the change
// is, stays where the change rolls back, and is never lost.
func TestWithDBTheEventIsCommittedBeforeTheChange(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		own := testdb.New(t, db.Backend)
		s := sqlsink.New(sqlsink.WithDB(own.DB))
		require.NoError(t, s.CreateTable(t.Context(), own))
		_, err := db.ExecContext(t.Context(), "CREATE TABLE changed (id int)")
		require.NoError(t, err)

		undo := errors.New("undo")
		err = inTx(t, db, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO changed VALUES (1)")
			require.NoError(t, err)
			require.NoError(t, s.Check(ctx, hookTx{tx, db.DB}))
			require.NoError(t, s.Write(ctx, hookTx{tx, db.DB}, events(1200)))
			assert.Len(t, stored(t, own.DB, defaultTable()), 1200, "committed while the change is open")
			return undo
		})
		require.ErrorIs(t, err, undo)
		assert.Equal(t, events(1200), stored(t, own.DB, defaultTable()), "the change rolled back, the events remain")
	})
}

func TestWithDBAFailureStopsTheChangeAndLeavesNoEvent(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		own := testdb.New(t, db.Backend)
		s := sqlsink.New(sqlsink.WithDB(own.DB))
		require.NoError(t, s.CreateTable(t.Context(), own))
		batch := events(1200)
		batch[1199].ID = batch[0].ID
		require.Error(t, inTx(t, db, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, batch) }))
		assert.Empty(t, stored(t, own.DB, defaultTable()))

		require.NoError(t, own.Close())
		require.Error(t, inTx(t, db, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, events(1)) }))
	})
}

// On one connection, the audited database as the sink's own would wait for
// itself for ever.
func TestWithDBOfTheAuditedDatabaseIsRefused(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		one := db.OpenWith(t, 1)
		s := sqlsink.New(sqlsink.WithDB(one))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, one.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			const want = "WithDB was given the audited database itself: leave it out, and the events commit with their changes"
			assert.EqualError(t, s.Write(ctx, hookTx{tx, one}, events(1)), "sqlsink: write events: "+want)
			assert.EqualError(t, s.Write(ctx, tx, events(1)), "sqlsink: write events: "+want)
			assert.EqualError(t, s.Check(ctx, tx), "sqlsink: check table: "+want)
			return nil
		}))
	})
}

func TestWithDBOfNilIsTheAuditedDatabase(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New(sqlsink.WithDB(nil))
		require.NoError(t, s.CreateTable(t.Context(), db))
		write(t, s, db, 1)
		assert.Equal(t, events(1), stored(t, db.DB, defaultTable()))
	})
}
