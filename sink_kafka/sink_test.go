package kafkasink_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// hookTx is a transaction as package bunaudit hands it to sinks.
type hookTx struct {
	sink.Tx
	db *bun.DB
}

func (t hookTx) DB() *bun.DB { return t.db }

// offline is a sink that needs no broker for what it is tested for.
func offline(edit ...func(*kafkasink.Config)) *kafkasink.Sink {
	cfg := kafkasink.Config{Brokers: []string{"127.0.0.1:1"}, Topic: "audit", Timeout: time.Second}
	for _, f := range edit {
		f(&cfg)
	}
	return kafkasink.New(cfg)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		sinktest.Run(t, func(t *testing.T) sinktest.Harness {
			fresh := testdb.New(t, db.Backend)
			s := offline()
			require.NoError(t, s.CreateTable(t.Context(), fresh))
			return sinktest.Harness{
				Sink: s,
				Begin: func(t testing.TB, wrap func(sink.Tx) sink.Tx) sinktest.Tx {
					tx, err := fresh.BeginTx(t.Context(), nil)
					require.NoError(t, err)
					return sinktest.Tx{Tx: hookTx{wrap(tx), fresh.DB}, Commit: tx.Commit, Rollback: tx.Rollback}
				},
				Events: func(t testing.TB) []sink.Event { return stored(t, fresh.DB, kafkasink.DefaultTable) },
			}
		})
	})
}

// stored returns the events of a table, in order.
func stored(t testing.TB, db *bun.DB, table string) []sink.Event {
	t.Helper()
	var rows []eventrow.Row
	require.NoError(t, db.NewSelect().Model(&rows).ModelTableExpr("? AS e", bun.Ident(table)).OrderExpr("e.seq").Scan(t.Context()))
	events := make([]sink.Event, len(rows))
	for i := range rows {
		var err error
		events[i], err = rows[i].ToEvent()
		require.NoError(t, err)
	}
	return events
}

func TestEventTables(t *testing.T) {
	t.Parallel()
	in := offline(func(c *kafkasink.Config) { c.Schema, c.Table = "a", "b.c" })
	assert.Equal(t, []sink.Table{{Schema: "a", Name: "b.c"}}, in.EventTables())
	assert.Empty(t, offline(func(c *kafkasink.Config) { c.Delivery = kafkasink.Direct }).EventTables())
	both, ok := sink.Tee(sqlsink.New(), in).(sink.Tabled)
	require.True(t, ok)
	assert.Len(t, both.EventTables(), 2)
}

func TestManyProgramsMayCreateTheTablesAtOnce(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := offline(func(c *kafkasink.Config) {
			c.Table = "it's ? a.b"
			if db.Backend == testdb.Postgres {
				c.Schema = db.NewSchema(t)
			}
		})
		var all sync.WaitGroup
		for range 4 {
			pool := db.Open(t)
			all.Go(func() { assert.NoError(t, s.CreateTable(t.Context(), pool)) })
		}
		all.Wait()
		assert.NoError(t, s.Check(t.Context(), db.DB))
		assert.NoError(t, s.CreateTable(t.Context(), db))
	})
}

func TestMigrationsCreateAndDropTheTables(t *testing.T) {
	t.Parallel()
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := offline()
		migrator := migrate.NewMigrator(db.DB, s.Migrations())
		require.NoError(t, migrator.Init(t.Context()))
		_, err := migrator.Migrate(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context(), db.DB))
		for _, ending := range []string{"_dead", "_lease", "_topics"} {
			_, err := db.NewSelect().Table(kafkasink.DefaultTable + ending).Count(t.Context())
			require.NoError(t, err)
		}
		_, err = migrator.Rollback(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, s.Check(t.Context(), db.DB), sqlsink.ErrNoTable)
	})
}

// The names are what the databases of users remember: they never change.
func TestNamesOfMigrations(t *testing.T) {
	t.Parallel()
	var names []string
	for _, m := range offline(func(c *kafkasink.Config) { c.Schema = "trail" }).Migrations().Sorted() {
		names = append(names, m.Name+" "+m.Comment)
	}
	assert.Equal(t, []string{"20261124000000_trail.audit_outbox create_outbox"}, names)
}

func TestDirectDeliveryHasNoTables(t *testing.T) {
	t.Parallel()
	s := offline(func(c *kafkasink.Config) { c.Delivery = kafkasink.Direct })
	assert.ErrorContains(t, s.CreateTable(t.Context(), testdb.New(t, testdb.SQLite)), "has no outbox")
	assert.Empty(t, s.Migrations().Sorted())
}

// A commit must not wait for a relay, whatever that does.
func TestCommittedReturnsAtOnceAndAllocatesNothing(t *testing.T) {
	s := offline()
	db := testdb.New(t, testdb.SQLite) // without the tables: the relay tries for ever
	start(t, kafkasink.NewRelay(db.DB, s, quick()))
	assert.Zero(t, testing.AllocsPerRun(100, func() { s.Committed(context.Background()) }))
}

func ExampleNew() {
	db := openExample()
	ctx := context.Background()
	events := kafkasink.New(kafkasink.Config{Brokers: []string{"127.0.0.1:9092"}, Topic: "audit"})
	if err := events.CreateTable(ctx, db); err != nil {
		panic(err)
	}
	fmt.Println(events.EventTables()[0].Name)
	// Output: audit_outbox
}
