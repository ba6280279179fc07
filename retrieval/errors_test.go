package retrieval_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// terminals runs a query in every way that there is; the error must be the
// same.
func terminals[M any](t *testing.T, q *retrieval.Query[M]) error {
	t.Helper()
	_, err := q.All(t.Context())
	require.Error(t, err)
	_, counted := q.Count(t.Context())
	assert.Equal(t, err, counted)
	_, paged := q.Page(t.Context())
	assert.Equal(t, err, paged)
	_, first := q.First(t.Context())
	assert.Equal(t, err, first)
	for transaction, got := range q.Transactions(t.Context()) {
		assert.Equal(t, err, got)
		assert.Zero(t, transaction)
	}
	n := 0
	for event, got := range q.Events(t.Context()) {
		assert.Equal(t, err, got)
		assert.Zero(t, event)
		n++
	}
	for change, got := range q.Changes(t.Context()) {
		assert.Equal(t, err, got)
		assert.Zero(t, change)
		n++
	}
	assert.Equal(t, 2, n)
	return err
}

func TestADatabaseThatIsNil(t *testing.T) {
	var db *bun.DB // as a service has it that was never opened
	require.ErrorContains(t, terminals(t, retrieval.For[Customer](db)), "nil")
	require.ErrorContains(t, terminals(t, retrieval.ForTable(nil, "customers")), "nil")
}

func TestUnknownModels(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		require.ErrorIs(t, terminals(t, retrieval.For[Unaudited](db).Key(1).Field("x")), retrieval.ErrUnknownModel)
		require.ErrorIs(t, terminals(t, retrieval.For[int](db)), retrieval.ErrUnknownModel)
		require.ErrorIs(t, terminals(t, retrieval.For[map[string]any](db)), retrieval.ErrUnknownModel)
		type Wrong struct {
			bun.BaseModel `bun:"table:wrong,audit:maybe"`
			ID            int64 `bun:",pk"`
		}
		assert.ErrorContains(t, terminals(t, retrieval.For[Wrong](db)), "audit:maybe")
	})
}

func TestUnknownFields(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		for _, name := range []string{"secret", "Secret", "nope", ""} {
			err := terminals(t, retrieval.For[Customer](db).Field("name", name))
			var unknown *retrieval.UnknownFieldError
			require.ErrorAs(t, err, &unknown)
			assert.Equal(t, name, unknown.Field)
			assert.Equal(t, "Customer", unknown.Model)
			assert.Equal(t, []string{"id", "name", "email", "phone", "nick", "since", "address"}, unknown.Known)
		}
	})
}

func TestKeysOfTheWrongShape(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		for name, values := range map[string][]any{
			"no value":           {},
			"two values for one": {4711, 2},
			"text for a number":  {"4711x"},
			"float":              {1.5},
			"another model":      {Seat{Tenant: "4711"}},
			"a missing column":   {map[string]any{"name": "4711"}},
			"a further column":   {map[string]any{"id": 1, "name": "4711"}},
			"nil pointer":        {(*Customer)(nil), 2},
			"function":           {func() {}},
		} {
			t.Run(name, func(t *testing.T) {
				err := terminals(t, retrieval.For[Customer](db).Key(values...))
				var wrong *retrieval.KeyError
				require.ErrorAs(t, err, &wrong)
				assert.Equal(t, []string{"id"}, wrong.Columns)
				assert.Contains(t, err.Error(), "key of Customer (id)")
				assert.NotContains(t, err.Error(), "4711")
			})
		}
		var wrong *retrieval.KeyError
		require.ErrorAs(t, terminals(t, retrieval.For[Seat](db).Key("a")), &wrong)
		assert.ErrorContains(t, wrong, "(tenant, no): give 2 values, one for each column in this order, not 1")
		require.ErrorAs(t, terminals(t, retrieval.ForTable(db, "customers").Key(2)), &wrong)
		assert.ErrorContains(t, wrong, "name the columns")
		require.ErrorAs(t, terminals(t, retrieval.ForTable(db, "customers").Key(map[string]any{"id": func() {}})), &wrong)
	})
}

func TestOtherMistakes(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		assert.ErrorContains(t, terminals(t, retrieval.For[Customer](db).Limit(-1)), "negative")
		assert.ErrorContains(t, terminals(t, retrieval.For[Customer](db).Offset(-1)), "negative")
		assert.ErrorContains(t, terminals(t, retrieval.For[Customer](db).Tx("x'")), "not a UUID")
		assert.ErrorContains(t, terminals(t, retrieval.For[Customer](db).From("")), "empty")
		require.ErrorIs(t, terminals(t, retrieval.For[Customer](db).WhereNew("email", "4711")), retrieval.ErrMasked)
		require.ErrorIs(t, terminals(t, retrieval.For[Customer](db).WhereOld("phone", "4711")), retrieval.ErrMasked)
		var unknown *retrieval.UnknownFieldError
		require.ErrorAs(t, terminals(t, retrieval.For[Customer](db).WhereOld("nope", 1)), &unknown)
		assert.NotContains(t, terminals(t, retrieval.For[Customer](db).WhereOld("since", "4711x")).Error(), "4711")
		assert.ErrorContains(t, terminals(t, retrieval.ForAll(db).Key(map[string]any{"id": 2})), "one table")
		for _, cursor := range []string{"4711", "AQ", "AQAAAAAAAA", "!"} {
			require.ErrorIs(t, terminals(t, retrieval.For[Customer](db).After(cursor)), retrieval.ErrCursor)
		}
		_, err := retrieval.For[Customer](db).AsOf(t.Context(), start())
		require.EqualError(t, err, "retrieval: that is for one row: name it by its key")
		_, err = retrieval.For[Customer](db).Key(1).Key(2).Diff(t.Context(), start(), start())
		require.EqualError(t, err, "retrieval: that is for one row, and the query names 2: give one key")
		_, err = retrieval.For[Customer](db).Previous(t.Context(), retrieval.Event[Customer]{})
		require.ErrorContains(t, err, "not returned by a query")
	})
	assert.ErrorContains(t, terminals(t, retrieval.For[Customer](nil).Key(1).Meta("a", "b").Field("name")), "nil")
}

// everyEnd runs a query in each way that it can end.
func everyEnd(ask func() *retrieval.Query[Thing]) map[string]func(context.Context) error {
	errOf := func(_ any, err error) error { return err }
	return map[string]func(context.Context) error{
		"All":          func(ctx context.Context) error { return errOf(ask().All(ctx)) },
		"All of a key": func(ctx context.Context) error { return errOf(ask().Key(1).All(ctx)) },
		"Count":        func(ctx context.Context) error { return errOf(ask().Count(ctx)) },
		"Page":         func(ctx context.Context) error { return errOf(ask().Page(ctx)) },
		"Last":         func(ctx context.Context) error { return errOf(ask().Last(ctx)) },
		"Changes":      func(ctx context.Context) error { return errOf(retrieval.Collect(ask().Changes(ctx))) },
		"Transactions": func(ctx context.Context) error { return errOf(retrieval.Collect(ask().Transactions(ctx))) },
		"AsOf":         func(ctx context.Context) error { return errOf(ask().Key(1).AsOf(ctx, start())) },
		"RowsAsOf":     func(ctx context.Context) error { return errOf(retrieval.Collect(ask().RowsAsOf(ctx, start()))) },
		"Versions":     func(ctx context.Context) error { return errOf(retrieval.Collect(ask().Key(1).Versions(ctx))) },
		"Diff":         func(ctx context.Context) error { return errOf(ask().Key(1).Diff(ctx, start(), start())) },
		"Verify": func(ctx context.Context) error {
			return errOf(retrieval.Collect(ask().Verify(ctx, retrieval.VerifyOptions{})))
		},
		"Verify a key": func(ctx context.Context) error {
			return errOf(retrieval.Collect(ask().Key(1).Verify(ctx, retrieval.VerifyOptions{})))
		},
		"Baseline": func(ctx context.Context) error { return errOf(ask().Baseline(ctx, retrieval.BaselineOptions{})) },
		"Revert":   func(ctx context.Context) error { return errOf(ask().Revert(ctx, because)) },
		"Erase": func(ctx context.Context) error {
			return errOf(ask().Key(1).Erase(bunaudit.WithActor(ctx, sink.Actor{ID: "1"}), "a"))
		},
		"Prune": func(ctx context.Context) error {
			return errOf(ask().Until(start()).Prune(ctx, retrieval.PruneOptions{}))
		},
		"Prune and keep": func(ctx context.Context) error { return errOf(ask().Prune(ctx, retrieval.PruneOptions{Keep: 1})) },
		"WriteCSV":       func(ctx context.Context) error { return errOf(ask().WriteCSV(ctx, io.Discard)) },
	}
}

// Where there is no table of events, or one that lacks a column, every end of a
// query says so, and what to do; not where it is the audited table.
func TestAMissingTableOfEvents(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		_, err := db.NewCreateTable().Model((*Thing)(nil)).Exec(t.Context())
		require.NoError(t, err)
		for where, ask := range map[string]func() *retrieval.Query[Thing]{
			"audit_events": func() *retrieval.Query[Thing] { return retrieval.For[Thing](db) },
			"no such one":  func() *retrieval.Query[Thing] { return retrieval.For[Thing](db).From("no such one") },
			"nowhere":      func() *retrieval.Query[Thing] { return retrieval.For[Thing](db).InSchema("nowhere") },
		} {
			for name, end := range everyEnd(ask) {
				err := end(t.Context())
				require.ErrorIs(t, err, sqlsink.ErrNoTable, "%s %s", name, where)
				assert.ErrorContains(t, err, "retrieval: ", name)
				assert.ErrorContains(t, err, "create it with CreateTable or the migrations, or name the one that there is by From and InSchema: ", name)
				assert.ErrorContains(t, err, where, name)
			}
		}

		require.NoError(t, sqlsink.New().CreateTable(t.Context(), db))
		exec(t, db.DB, "ALTER TABLE audit_events DROP COLUMN span_id")
		_, err = retrieval.For[Thing](db).All(t.Context())
		require.ErrorIs(t, err, sqlsink.ErrNoTable)
		assert.ErrorContains(t, err, "it lacks a column")

		exec(t, db.DB, "DROP TABLE things")
		exec(t, db.DB, "DROP TABLE audit_events")
		require.NoError(t, sqlsink.New().CreateTable(t.Context(), db))
		for name, end := range everyEnd(func() *retrieval.Query[Thing] { return retrieval.For[Thing](db) }) {
			assert.NotErrorIs(t, end(t.Context()), sqlsink.ErrNoTable, name)
		}
	})
}

func TestACancelledContextEndsTheStream(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := retrieval.For[Customer](db).All(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}
