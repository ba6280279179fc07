package sqlsink_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// begin starts a transaction that looks to sinks as package bunaudit's does.
func begin(db *bun.DB) func(testing.TB, func(sink.Tx) sink.Tx) sinktest.Tx {
	return func(t testing.TB, wrap func(sink.Tx) sink.Tx) sinktest.Tx {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		return sinktest.Tx{Tx: hookTx{wrap(tx), db}, Commit: tx.Commit, Rollback: tx.Rollback}
	}
}

func TestConformance(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		for name, tt := range map[string]struct {
			sink func(*testing.T, *testdb.DB, *sqlsink.Sink) sink.Sink
			opts []sqlsink.Option
			edit func(*sinktest.Harness)
		}{
			"with partitions": {
				sink: func(_ *testing.T, _ *testdb.DB, s *sqlsink.Sink) sink.Sink { return s },
				opts: []sqlsink.Option{sqlsink.Monthly()},
			},
			"alone": {sink: func(_ *testing.T, _ *testdb.DB, s *sqlsink.Sink) sink.Sink { return s }},
			"before a recorder in a tee": {
				sink: func(_ *testing.T, _ *testdb.DB, s *sqlsink.Sink) sink.Sink {
					return sink.Tee(s, new(sinktest.Recorder))
				},
			},
			"after a sink of another table in a tee": {
				sink: func(t *testing.T, db *testdb.DB, s *sqlsink.Sink) sink.Sink {
					other := sqlsink.New(sqlsink.Table("other"))
					require.NoError(t, other.CreateTable(t.Context(), db))
					return sink.Tee(other, s)
				},
				edit: func(h *sinktest.Harness) { h.KeepsFailed = true },
			},
		} {
			t.Run(name, func(t *testing.T) {
				if tt.opts != nil && db.Backend != testdb.Postgres {
					t.Skip("partitions are PostgreSQL's")
				}
				sinktest.Run(t, func(t *testing.T) sinktest.Harness {
					fresh := testdb.New(t, db.Backend)
					s := sqlsink.New(tt.opts...)
					require.NoError(t, s.CreateTable(t.Context(), fresh))
					h := sinktest.Harness{
						Sink:  tt.sink(t, fresh, s),
						Begin: begin(fresh.DB),
						Events: func(t testing.TB) []sink.Event {
							return stored(t, fresh.DB, eventrow.Table{Name: sqlsink.DefaultTable})
						},
					}
					if tt.edit != nil {
						tt.edit(&h)
					}
					return h
				})
			})
		}
	})
}

// With a database of its own the transaction of the change is on another one.
func TestConformanceWithADatabaseOfItsOwn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		sinktest.Run(t, func(t *testing.T) sinktest.Harness {
			own := testdb.New(t, testdb.SQLite)
			s := sqlsink.New(sqlsink.WithDB(own.DB))
			require.NoError(t, s.CreateTable(t.Context(), own))
			return sinktest.Harness{
				Sink:            s,
				Begin:           begin(db.DB),
				Events:          func(t testing.TB) []sink.Event { return stored(t, own.DB, eventrow.Table{Name: sqlsink.DefaultTable}) },
				KeepsRolledBack: true,
			}
		})
	})
}
