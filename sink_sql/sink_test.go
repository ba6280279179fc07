package sqlsink_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// hookTx is a transaction as package bunaudit hands it to sinks: it knows its
// database, and is no type of Bun.
type hookTx struct {
	sink.Tx
	db *bun.DB
}

func (tx hookTx) DB() *bun.DB { return tx.db }

func event(n int) sink.Event {
	return sink.Event{
		ID:      fmt.Sprintf("0193a0a0-0000-7000-8000-%012x", n),
		Time:    time.Date(2025, 1, 2, 3, 4, 5, 6000, time.UTC),
		Op:      sink.Update,
		Table:   "customers",
		Model:   "Customer",
		Key:     sink.Values{"id": json.RawMessage(fmt.Sprint(n))},
		Changes: map[string]sink.Change{"name": {Old: json.RawMessage(`"Jane"`), New: json.RawMessage(`null`)}},
		Actor:   sink.Actor{ID: "1", Type: "user"},
		Tx:      "0193a0a0-ffff-7000-8000-000000000000",
	}
}

func events(n int) []sink.Event {
	s := make([]sink.Event, n)
	for i := range s {
		s[i] = event(i + 1)
	}
	return s
}

// stored reads the table by the order of writing.
func stored(t testing.TB, db *bun.DB, table eventrow.Table) []sink.Event {
	t.Helper()
	var rows []eventrow.Row
	require.NoError(t, db.NewSelect().Model(&rows).ModelTableExpr("? AS e", table.Expr()).Order("seq").Scan(t.Context()))
	var got []sink.Event
	for i := range rows {
		e, err := rows[i].ToEvent()
		require.NoError(t, err)
		got = append(got, e)
	}
	return got
}

func defaultTable() eventrow.Table { return eventrow.Table{Name: sqlsink.DefaultTable} }

func TestEventsCommitWithTheTransactionThatTheyWereWrittenIn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))

		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, s.Write(t.Context(), hookTx{tx, db.DB}, events(3)))
		assert.Empty(t, stored(t, db.DB, defaultTable()), "another connection sees nothing before the commit")
		require.NoError(t, tx.Commit())
		assert.Equal(t, events(3), stored(t, db.DB, defaultTable()))
	})
}

func TestEventsRollBackWithTheTransactionThatTheyWereWrittenIn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))
		undo := errors.New("undo")
		err := db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			require.NoError(t, s.Write(ctx, tx, events(3)))
			return undo
		})
		require.ErrorIs(t, err, undo)
		assert.Empty(t, stored(t, db.DB, defaultTable()))
	})
}

// One connection is enough: nothing is written on another one.
func TestWriteUsesOnlyTheConnectionOfTheTransaction(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		one := db.OpenWith(t, 1)
		require.NoError(t, s.CreateTable(t.Context(), one))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, one.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			if err := s.Check(ctx, tx); err != nil {
				return err
			}
			return s.Write(ctx, tx, events(1200))
		}))
		assert.Equal(t, events(1200), stored(t, db.DB, defaultTable()))
	})
}

// A hook that was told to degrade commits after a failed Write, so a failure in
// the last batch must take the first ones with it, and leave tx usable.
func TestFailureHalfWayLeavesNoEventInATransactionThatGoesOn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))
		batch := events(1200)
		batch[1199].ID = batch[0].ID // the unique index refuses the last batch
		require.NoError(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			require.Error(t, s.Write(ctx, tx, batch))
			return s.Write(ctx, tx, events(1))
		}))
		assert.Equal(t, events(1), stored(t, db.DB, defaultTable()))
	})
}

func TestEventThatCannotBeStoredIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	secret := "4711-secret"
	for name, spoil := range map[string]func(*sink.Event){
		"id is no UUID":         func(e *sink.Event) { e.ID = secret },
		"id is in upper case":   func(e *sink.Event) { e.ID = strings.ToUpper(e.ID) },
		"tx is no UUID":         func(e *sink.Event) { e.Tx = secret },
		"op is missing":         func(e *sink.Event) { e.Op = "" },
		"table is missing":      func(e *sink.Event) { e.Table = "" },
		"year has five digits":  func(e *sink.Event) { e.Time = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC) },
		"key is not JSON":       func(e *sink.Event) { e.Key = sink.Values{"id": json.RawMessage(secret)} },
		"new value is not JSON": func(e *sink.Event) { e.Changes["name"] = sink.Change{New: json.RawMessage(secret)} },
	} {
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				s := sqlsink.New()
				require.NoError(t, s.CreateTable(t.Context(), db))
				batch := events(3)
				spoil(&batch[2])
				require.NoError(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
					err := s.Write(ctx, tx, batch)
					require.ErrorContains(t, err, "sqlsink: write events: event 3 of 3: ")
					assert.NotContains(t, err.Error(), secret)
					return nil
				}))
				assert.Empty(t, stored(t, db.DB, defaultTable()))
			})
		})
	}
}

func TestMissingTableSaysWhatToDo(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		for name, s := range map[string]*sqlsink.Sink{
			"table":  sqlsink.New(sqlsink.Table("no such table")),
			"schema": sqlsink.New(sqlsink.Schema("nowhere")),
		} {
			t.Run(name, func(t *testing.T) {
				_ = db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
					err := s.Write(ctx, tx, events(1))
					require.ErrorIs(t, err, sqlsink.ErrNoTable)
					assert.ErrorContains(t, err, "sqlsink: write events: ")
					assert.ErrorContains(t, err, "create it with CreateTable or the migrations")
					return err
				})
				_ = db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
					err := s.Check(ctx, tx)
					require.ErrorIs(t, err, sqlsink.ErrNoTable)
					assert.ErrorContains(t, err, "sqlsink: check table: ")
					return err
				})
			})
		}
	})
}

func TestCheckFindsATableThatLacksAColumn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))
		check := func() error {
			return db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.Check(ctx, tx) })
		}
		require.NoError(t, check())
		_, err := db.ExecContext(t.Context(), "ALTER TABLE audit_events DROP COLUMN span_id")
		require.NoError(t, err)
		require.ErrorIs(t, check(), sqlsink.ErrNoTable)
		err = db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, events(1)) })
		require.ErrorIs(t, err, sqlsink.ErrNoTable)
	})
}

func TestTransactionThatIsNotBunsIsRefused(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		tx, err := db.DB.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		err = sqlsink.New().Write(t.Context(), tx, events(1))
		assert.ErrorContains(t, err, "sqlsink: write events: the transaction (*sql.Tx) has no method DB() *bun.DB")
	})
}

func TestCancelledContextWritesNothing(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))
		require.NoError(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			done, cancel := context.WithCancel(ctx)
			cancel()
			require.ErrorIs(t, s.Write(done, tx, events(1)), context.Canceled)
			return nil
		}))
		assert.Empty(t, stored(t, db.DB, defaultTable()))
	})
}

func TestNewPanicsWithASentenceWhereNamesCannotWork(t *testing.T) {
	assert.PanicsWithValue(t, "sqlsink: the table's name is empty", func() { sqlsink.New(sqlsink.Table("")) })
	assert.PanicsWithValue(t, "sqlsink: the table's name has 52 bytes, more than the 51 that leave room for the names of its indexes",
		func() { sqlsink.New(sqlsink.Table(strings.Repeat("x", 52))) })
	assert.Panics(t, func() { sqlsink.New(sqlsink.Table("a\x00b")) })
	assert.Panics(t, func() { sqlsink.New(sqlsink.Schema(strings.Repeat("x", 64))) })
}
