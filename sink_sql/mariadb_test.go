package sqlsink_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"

	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// However a program has set up its driver and session, it stores the same and
// reads the same.
func TestSettingsOfDriverAndSessionDoNotShowOnMariaDB(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	s := sqlsink.New()
	require.NoError(t, s.CreateTable(t.Context(), db))
	vienna, err := time.LoadLocation("Europe/Vienna")
	require.NoError(t, err)

	want := events(3)
	want[0].Time = time.Date(2026, 3, 29, 2, 30, 0, 1000, time.UTC) // an hour that Vienna doesn't have
	want[1].Time = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	want[2].Time = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	for i, edit := range []func(*mysql.Config){
		func(c *mysql.Config) {
			c.ParseTime, c.Loc, c.Params = true, vienna, map[string]string{"time_zone": "'-07:00'"}
		},
		func(c *mysql.Config) { c.Params = map[string]string{"sql_mode": "'NO_ZERO_DATE'"} }, // not strict
		func(c *mysql.Config) { c.InterpolateParams, c.ClientFoundRows = true, true },
	} {
		cfg, err := mysql.ParseDSN(db.DSN)
		require.NoError(t, err)
		edit(cfg)
		connector, err := mysql.NewConnector(cfg)
		require.NoError(t, err)
		pool := bun.NewDB(sql.OpenDB(connector), mysqldialect.New())
		require.NoError(t, pool.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, want) }))
		assert.Equal(t, want, stored(t, pool, defaultTable()), "%d", i)
		assert.Equal(t, want, stored(t, db.DB, defaultTable()), "%d", i)
		_, err = pool.NewDelete().Table(sqlsink.DefaultTable).Where("1 = 1").Exec(t.Context())
		require.NoError(t, err)
		require.NoError(t, pool.Close())
	}
}
