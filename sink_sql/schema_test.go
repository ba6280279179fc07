package sqlsink_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func TestCreateTableTwiceKeepsTheEvents(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		require.NoError(t, s.CreateTable(t.Context(), db))
		write(t, s, db, 1)
		require.NoError(t, s.CreateTable(t.Context(), db))
		assert.Equal(t, events(1), stored(t, db.DB, defaultTable()))
	})
}

func TestManyProgramsMayCreateTheTableAtOnce(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		opts := []sqlsink.Option{}
		if db.Schema != "" {
			opts = append(opts, sqlsink.Schema(db.NewSchema(t)))
		}
		s := sqlsink.New(opts...)
		var wg sync.WaitGroup
		for range 8 {
			pool := db.Open(t)
			wg.Go(func() { assert.NoError(t, s.CreateTable(t.Context(), pool)) })
		}
		wg.Wait()
		write(t, s, db, 1)
	})
}

func TestCreateTableInTheCallersTransactionRollsBackWithIt(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		if db.Backend == testdb.MariaDB {
			t.Skip("creating a table commits: see TestCreateTableDoesNotCommitTheCallersTransaction")
		}
		s := sqlsink.New()
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, s.CreateTable(t.Context(), tx))
		require.NoError(t, s.Write(t.Context(), tx, events(1)))
		require.NoError(t, tx.Rollback())
		assert.ErrorIs(t, inTx(t, db, func(ctx context.Context, tx bun.Tx) error { return s.Check(ctx, tx) }), sqlsink.ErrNoTable)
	})
}

func TestCreateTableDoesNotCommitTheCallersTransaction(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	s, other := sqlsink.New(), sqlsink.New(sqlsink.Table("other"))
	require.NoError(t, s.CreateTable(t.Context(), db))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Write(t.Context(), tx, events(1)))
	require.EqualError(t, other.CreateTable(t.Context(), tx),
		"sqlsink: create table: on MariaDB and MySQL it would commit the transaction: give it the *bun.DB")
	require.NoError(t, tx.Rollback())
	assert.Empty(t, stored(t, db.DB, defaultTable()))
}

func TestNamesAreQuotedAndTakenAsTheyAre(t *testing.T) {
	for _, name := range []string{
		"Audit", "audit.events", `a"b`, "a'b", "a;--b", "select", "wer war's? ?0 ?name", "Протокол", " ", "a\\b", "*",
		strings.Repeat("x", eventrow.MaxTableName),
	} {
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				if db.Backend == testdb.MariaDB && name == " " {
					t.Skip("names don't end with a space")
				}
				s := sqlsink.New(sqlsink.Table(name))
				require.NoError(t, s.CreateTable(t.Context(), db))
				require.NoError(t, s.CreateTable(t.Context(), db))
				write(t, s, db, 2)
				assert.Equal(t, events(2), stored(t, db.DB, eventrow.Table{Name: name}))
				assert.Equal(t, 6, countIndexes(t, db, name))
			})
		})
	}
}

func TestSchemaIsCreatedWithItsTable(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		table := eventrow.Table{Schema: db.NewSchema(t), Name: "a.b"}
		s := sqlsink.New(sqlsink.Schema(table.Schema), sqlsink.Table(table.Name))
		require.NoError(t, s.CreateTable(t.Context(), db))
		write(t, s, db, 2)
		assert.Equal(t, events(2), stored(t, db.DB, table))
	})
}

func TestSchemaOnSQLiteIsAnAttachedDatabase(t *testing.T) {
	db := testdb.New(t, testdb.SQLite)
	one := db.OpenWith(t, 1) // ATTACH is for one connection
	_, err := one.ExecContext(t.Context(), "ATTACH ? AS trail", t.TempDir()+"/trail.db")
	require.NoError(t, err)
	s := sqlsink.New(sqlsink.Schema("trail"))
	require.NoError(t, s.CreateTable(t.Context(), one))
	require.NoError(t, one.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		return s.Write(ctx, tx, events(2))
	}))
	assert.Equal(t, events(2), stored(t, one, eventrow.Table{Schema: "trail", Name: "audit_events"}))
}

func TestMigrationsCreateAndDropTheTable(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		// An application's own migrator, with two tables of events.
		all := migrate.NewMigrations()
		first, second := sqlsink.New(), sqlsink.New(sqlsink.Table("second"))
		for _, m := range sqlsink.Migrations().Sorted() {
			all.Add(m)
		}
		for _, m := range second.Migrations().Sorted() {
			all.Add(m)
		}
		migrator := migrate.NewMigrator(db.DB, all)
		require.NoError(t, migrator.Init(t.Context()))

		group, err := migrator.Migrate(t.Context())
		require.NoError(t, err)
		assert.Len(t, group.Migrations, 2)
		write(t, first, db, 1)
		write(t, second, db, 1)

		group, err = migrator.Migrate(t.Context())
		require.NoError(t, err)
		assert.Empty(t, group.Migrations, "nothing is left to do")

		_, err = migrator.Rollback(t.Context())
		require.NoError(t, err)
		for _, s := range []*sqlsink.Sink{first, second} {
			assert.ErrorIs(t, inTx(t, db, func(ctx context.Context, tx bun.Tx) error { return s.Check(ctx, tx) }), sqlsink.ErrNoTable)
		}
	})
}

// The names are what the databases of users remember: they never change.
func TestNamesOfMigrations(t *testing.T) {
	named := func(opts ...sqlsink.Option) (names []string) {
		for _, m := range sqlsink.Migrations(opts...).Sorted() {
			names = append(names, m.Name+" "+m.Comment)
		}
		return names
	}
	first := "20261123000000_trail.audit_events create_events"
	assert.Equal(t, []string{first}, named(sqlsink.Schema("trail")))
	assert.Equal(t, []string{first, "20261124000000_trail.audit_events partition_events"}, named(sqlsink.Schema("trail"), sqlsink.Monthly()))
}

func write(t *testing.T, s *sqlsink.Sink, db *testdb.DB, n int) {
	t.Helper()
	require.NoError(t, inTx(t, db, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, events(n)) }))
}

func inTx(t *testing.T, db *testdb.DB, fn func(context.Context, bun.Tx) error) error {
	t.Helper()
	return db.RunInTx(t.Context(), nil, fn)
}

// countIndexes counts the indexes that were named after the table.
func countIndexes(t *testing.T, db *testdb.DB, table string) int {
	t.Helper()
	q := db.NewSelect().Table("pg_indexes").Where("schemaname = ?", db.Schema).Where("indexname LIKE '%\\_idx'")
	switch db.Backend {
	case testdb.MariaDB:
		q = db.NewSelect().Table("information_schema.statistics").Where("table_schema = ?", db.Schema).
			Where("index_name LIKE '%\\_idx'").Where("seq_in_index = 1")
	case testdb.SQLite:
		q = db.NewSelect().Table("sqlite_master").Where("type = 'index'").Where("name LIKE '%\\_idx' ESCAPE '\\'").Where("tbl_name = ?", table)
	}
	n, err := q.Count(t.Context())
	require.NoError(t, err)
	return int(n) // int64 in newer versions of Bun
}
