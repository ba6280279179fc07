package sqlsink_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"
	"github.com/uptrace/bun/migrate"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func migrateAll(t *testing.T, db *testdb.DB, s *sqlsink.Sink) {
	t.Helper()
	m := migrate.NewMigrator(db.DB, s.Migrations())
	require.NoError(t, m.Init(t.Context()))
	_, err := m.Migrate(t.Context())
	require.NoError(t, err)
}

// waiting is a pool whose driver waits that long for an answer.
func waiting(t *testing.T, db *testdb.DB, d time.Duration) *bun.DB {
	t.Helper()
	pool := bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(db.DSN), pgdriver.WithReadTimeout(d))), pgdialect.New())
	t.Cleanup(func() { assert.NoError(t, pool.Close()) })
	return pool
}

func TestAConversionThatTakesLongerThanTheDriverWaits(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	schema := sqlsink.Schema(db.NewSchema(t))
	migrateAll(t, db, sqlsink.New(schema))
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead}) // for whose end an index waits that is built concurrently
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.Exec("SELECT 1")
	require.NoError(t, err)
	convert := func(wait time.Duration) error {
		m := migrate.NewMigrator(waiting(t, db, wait), sqlsink.New(schema, sqlsink.Monthly()).Migrations(), migrate.WithMarkAppliedOnSuccess(true))
		require.NoError(t, m.Init(t.Context()))
		_, err := m.Migrate(t.Context())
		return err
	}
	require.ErrorContains(t, convert(time.Second), "pgdriver.WithReadTimeout")
	require.NoError(t, tx.Rollback())
	require.NoError(t, convert(time.Minute))
}

func TestMigrationsConvertATableWithoutMovingAnEvent(t *testing.T) {
	for _, table := range []string{sqlsink.DefaultTable, `An "odd" na?e`} {
		t.Run(table, func(t *testing.T) {
			db := testdb.New(t, testdb.Postgres)
			schema := db.NewSchema(t)
			plain := sqlsink.New(sqlsink.Table(table), sqlsink.Schema(schema))
			migrateAll(t, db, plain)
			old := monthly(-3, 0)
			writeAll(t, plain, db, old)
			exec := func(query string, args ...any) {
				t.Helper()
				_, err := db.NewRaw(query, args...).Exec(t.Context())
				require.NoError(t, err)
			}
			name := bun.SafeQuery("?.?", bun.Name(schema), bun.Name(table))
			exec("GRANT SELECT, INSERT ON ? TO PUBLIC", name)
			exec("DROP INDEX ?.?", bun.Name(schema), bun.Name(table+"_tx_idx")) // by somebody who has no use for it
			exec("CREATE VIEW ?.recent AS SELECT * FROM ?", bun.Name(schema), name)

			s := sqlsink.New(sqlsink.Table(table), sqlsink.Schema(schema), sqlsink.Monthly())
			err := s.CreateTable(t.Context(), db)
			require.ErrorIs(t, err, sqlsink.ErrNotPartitioned, "CreateTable alters nothing")
			m := migrate.NewMigrator(waiting(t, db, time.Minute), s.Migrations(), migrate.WithMarkAppliedOnSuccess(true))
			require.NoError(t, m.Init(t.Context()))
			_, err = m.Migrate(t.Context())
			require.ErrorContains(t, err, "can't be carried over: view recent")
			exec("DROP VIEW ?.recent", bun.Name(schema))

			// An attempt that was interrupted.
			exec("CREATE INDEX ? ON ? (seq)", bun.Name(table+"_first_pkey"), name)
			exec(`ALTER TABLE ? ADD CONSTRAINT ? CHECK ("time" < 'infinity') NOT VALID`, name, bun.Name(table+"_first_time_check"))

			_, err = m.Migrate(t.Context())
			require.NoError(t, err)
			all, err := s.Partitions(t.Context(), db)
			require.NoError(t, err)
			assert.Equal(t, table+"_first", all[0].Name)
			assert.True(t, all[0].From.IsZero())
			assert.GreaterOrEqual(t, len(all), 5)
			new := monthly(1, 12)
			writeAll(t, plain, db, new)
			assert.Equal(t, append(old, new...), stored(t, db.DB, eventrow.Table{Schema: schema, Name: table}))
			var rights, indexes int
			require.NoError(t, db.NewRaw("SELECT count(*) FROM pg_class, aclexplode(relacl) AS g WHERE oid = to_regclass(?) AND g.grantee = 0",
				bun.SafeQuery("quote_ident(?) || '.' || quote_ident(?)", schema, table)).Scan(t.Context(), &rights))
			assert.Equal(t, 2, rights)
			require.NoError(t, db.NewRaw("SELECT count(*) FROM pg_indexes WHERE schemaname = ? AND tablename = ?", schema, table).Scan(t.Context(), &indexes))
			assert.Equal(t, 7, indexes, "two unique ones, and those that were there")

			migrateAll(t, db, s) // nothing is left to do
			gone, err := s.DetachPartitions(t.Context(), db, thisMonth().AddDate(0, 2, 0), sqlsink.DetachOptions{Drop: true})
			require.NoError(t, err)
			assert.NotEmpty(t, gone)
		})
	}
}
