package bunaudit_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
)

func TestWarnLetsPassWhatCanNotBeRecordedAndSaysSo(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		var log bytes.Buffer
		a := newAudited(t, db, bunaudit.Config{
			Actor: jane, Uncapturable: bunaudit.Warn, Log: slog.New(slog.NewTextHandler(&log, nil)),
			SeparateStatements: true, // or PostgreSQL can record all of them
		}, (*Customer)(nil), (*Stock)(nil))
		_, err := a.NewInsert().Model(&[]Customer{{Name: "a"}, {Name: "b"}}).Exec(ctx)
		require.NoError(t, err)

		// Text given to Exec, on the pool.
		_, err = a.ExecContext(ctx, "UPDATE customers SET score = 1")
		require.NoError(t, err)
		// Keys of several rows, found out in the database.
		set, reason := "(id, score) = (SELECT id + 100, 1)", "changes the primary keys of several rows"
		if onMariaDB(a) { // where an assignment sees those before it
			set, reason = "score = 1, id = id + 100 * score", "sets a primary key to something that it has set before"
		}
		res, err := a.NewUpdate().Model((*Customer)(nil)).Set(set).Where("TRUE").Exec(ctx)
		require.NoError(t, err)
		n, err := res.RowsAffected()
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		// In a transaction that is rolled back.
		err = a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewUpdate().Model((*Customer)(nil)).Set(set).Where("TRUE").Exec(ctx)
			require.NoError(t, err)
			return context.Canceled
		})
		require.ErrorIs(t, err, context.Canceled)

		events := a.events(t)[2:]
		require.Len(t, events, 2)
		for _, e := range events {
			require.Equal(t, sink.Opaque, e.Op)
			require.Equal(t, "UPDATE", e.Statement)
			require.Equal(t, "customers", e.Table)
			require.Equal(t, "1", e.Actor.ID)
			require.Empty(t, e.Key)
		}
		require.Contains(t, log.String(), "level=WARN")
		require.Contains(t, log.String(), reason)

		stats := a.hook.Stats().Tables["customers"]
		require.Equal(t, bunaudit.TableStats{Captured: 1, Opaque: 3, Events: 5}, stats)
	})
}

func TestWarnDoesNotWaitForTheLastConnection(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		var log bytes.Buffer
		a := newAudited(t, db, bunaudit.Config{
			Uncapturable: bunaudit.Warn, Log: slog.New(slog.NewTextHandler(&log, nil)), Models: []any{(*Customer)(nil)},
		}, (*Customer)(nil))
		a.SetMaxOpenConns(1)
		err := a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM customers")
			return err
		})
		require.NoError(t, err)
		require.Contains(t, log.String(), "no connection is free")
		require.Empty(t, a.story(t))
	})
}

func TestAnOpaqueStatementHasAnEventForEachTableItMayWriteTo(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	models := []any{(*Customer)(nil), (*Stock)(nil)}
	a := newAudited(t, db, bunaudit.Config{Uncapturable: bunaudit.Warn, Models: models}, models...)
	ctx := t.Context()
	_, err := a.NewRaw("WITH x AS (INSERT INTO stock (sku, n) VALUES ('a', 1) RETURNING sku) INSERT INTO customers (name, score) SELECT sku, 0 FROM x").Exec(ctx)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"opaque customers null", "opaque stock null"}, a.story(t))
}
