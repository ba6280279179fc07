package bunaudit_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/pgproxy"
	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// tripCase is a statement, and how many round trips to PostgreSQL it takes. It
// may be run any number of times, and makes at least one event each time.
type tripCase struct {
	name string
	run  func(ctx context.Context, db bun.IDB, n int) error

	// general is how many the general way takes in a transaction; on the pool
	// BEGIN and COMMIT come on top.
	general int64
}

// tripCases start with the rows 1 to 1000 of customers and of notes; n is
// different for each run.
func tripCases() []tripCase {
	return []tripCase{
		{"insert", func(ctx context.Context, db bun.IDB, _ int) error {
			_, err := db.NewInsert().Model(&Customer{Name: "a", Email: "e"}).Returning("NULL").Exec(ctx)
			return err
		}, 2},
		{"insert, for its generated key", func(ctx context.Context, db bun.IDB, _ int) error {
			_, err := db.NewInsert().Model(&Customer{Name: "a"}).Exec(ctx)
			return err
		}, 2},
		{"bulk insert", func(ctx context.Context, db bun.IDB, _ int) error {
			cs := make([]Customer, 20)
			for i := range cs {
				cs[i].Name = "b"
			}
			_, err := db.NewInsert().Model(&cs).Exec(ctx)
			return err
		}, 2},
		{"update by key", func(ctx context.Context, db bun.IDB, n int) error {
			_, err := db.NewUpdate().Model(&Customer{ID: int64(n), Name: "c", Score: n}).WherePK().Exec(ctx)
			return err
		}, 3},
		{"update by key, RETURNING", func(ctx context.Context, db bun.IDB, n int) error {
			c := &Customer{ID: int64(n), Name: "d", Score: -n}
			_, err := db.NewUpdate().Model(c).WherePK().Returning("*").Exec(ctx)
			return err
		}, 3},
		{"update by condition", func(ctx context.Context, db bun.IDB, n int) error {
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id BETWEEN ? AND ?", n, n+9).Exec(ctx)
			return err
		}, 3},
		{"delete", func(ctx context.Context, db bun.IDB, n int) error {
			_, err := db.NewDelete().Model((*Customer)(nil)).Where("id = ?", 100+n).Exec(ctx)
			return err
		}, 2},
		{"delete, RETURNING", func(ctx context.Context, db bun.IDB, n int) error {
			var names []string
			_, err := db.NewDelete().Model((*Customer)(nil)).Where("id = ?", 200+n).Returning("name").Exec(ctx, &names)
			return err
		}, 2},
		{"soft delete", func(ctx context.Context, db bun.IDB, n int) error {
			_, err := db.NewDelete().Model(&Note{ID: int64(n)}).WherePK().Exec(ctx)
			return err
		}, 3},
		{"upsert that inserts", func(ctx context.Context, db bun.IDB, n int) error {
			_, err := db.NewInsert().Model(&Customer{ID: int64(10_000 + n), Name: "e"}).
				On("CONFLICT (id) DO UPDATE").Set("name = EXCLUDED.name").Returning("NULL").Exec(ctx)
			return err
		}, 9},
		{"upsert that updates", func(ctx context.Context, db bun.IDB, n int) error {
			_, err := db.NewInsert().Model(&Customer{ID: int64(n), Name: "f", Score: 1000 * n}).
				On("CONFLICT (id) DO UPDATE").Set("score = EXCLUDED.score").Returning("NULL").Exec(ctx)
			return err
		}, 9},
		{"NewRaw", func(ctx context.Context, db bun.IDB, n int) error {
			_, err := db.NewRaw("UPDATE customers SET score = score + 1 WHERE id = ?", n).Exec(ctx)
			return err
		}, 3},
		{"NewRaw, RETURNING", func(ctx context.Context, db bun.IDB, n int) error {
			var score int
			return db.NewRaw("UPDATE customers SET score = score + 1 WHERE id = ? RETURNING score", n).Scan(ctx, &score)
		}, 3},
	}
}

// tripsBy counts the round trips of a function to one database, with the hook
// and without it.
type tripsBy struct {
	plain, audited *bun.DB
	proxy          *pgproxy.Proxy
	n              int // of the last run
}

func newTrips(t *testing.T, cfg bunaudit.Config) *tripsBy {
	t.Helper()
	db := testdb.New(t, testdb.Postgres)
	events := sqlsink.New()
	require.NoError(t, events.CreateTable(t.Context(), db))
	for _, m := range []any{(*Customer)(nil), (*Note)(nil)} {
		_, err := db.NewCreateTable().Model(m).Exec(t.Context())
		require.NoError(t, err)
	}
	for _, fill := range []string{
		"INSERT INTO customers (name, score) SELECT 'x', 0 FROM generate_series(1, 1000)",
		"INSERT INTO notes (text, draft) SELECT 'x', '' FROM generate_series(1, 1000)",
	} {
		_, err := db.ExecContext(t.Context(), fill)
		require.NoError(t, err)
	}

	proxy, err := pgproxy.Start(db.DSN, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	open := func() *bun.DB {
		pool := bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(proxy.DSN()))), pgdialect.New())
		pool.SetMaxOpenConns(1)
		t.Cleanup(func() { require.NoError(t, pool.Close()) })
		return pool
	}
	cfg.Sink, cfg.Models = events, []any{(*Customer)(nil), (*Note)(nil)}
	x := &tripsBy{plain: open(), audited: open(), proxy: proxy}
	x.audited.AddQueryHook(bunaudit.New(cfg))
	return x
}

func (x *tripsBy) of(t *testing.T, fn func() error) int64 {
	t.Helper()
	before := x.proxy.RoundTrips()
	require.NoError(t, fn())
	return x.proxy.RoundTrips() - before
}

// An audited statement takes as many round trips as the plain one: it writes its
// events itself. Where it may not, the way that other databases go as well shows
// what that saves.
func TestRoundTripsOfAnAuditedStatement(t *testing.T) {
	const onPool = 2 // BEGIN and COMMIT
	for name, cfg := range map[string]bunaudit.Config{"one statement": {}, "prepared": {Prepare: true}, "separate statements": {SeparateStatements: true}} {
		t.Run(name, func(t *testing.T) {
			x := newTrips(t, cfg)
			for _, c := range tripCases() {
				t.Run(c.name, func(t *testing.T) {
					before := countEvents(t, x.plain)
					pool, inTx := x.count(t, c, x.plain)
					require.Equal(t, [2]int64{1, 1}, [2]int64{pool, inTx}, "plain: on the pool, in a transaction")
					require.Equal(t, before, countEvents(t, x.plain))

					pool, inTx = x.count(t, c, x.audited)
					want := [2]int64{1, 1}
					if cfg.SeparateStatements {
						want = [2]int64{c.general + onPool, c.general}
					}
					require.Equal(t, want, [2]int64{pool, inTx}, "audited: on the pool, in a transaction")
					require.GreaterOrEqual(t, countEvents(t, x.plain), before+3, "all three are on record")
				})
			}
		})
	}
}

// count counts the round trips of a case on the pool and in a transaction. The
// first statement on a table finds out how to read it, the second is prepared
// where that is wanted: these are not counted.
func (x *tripsBy) count(t *testing.T, c tripCase, db *bun.DB) (pool, inTx int64) {
	t.Helper()
	next := func(db bun.IDB) func() error {
		x.n++
		n := x.n
		return func() error { return c.run(t.Context(), db, n) }
	}
	require.NoError(t, next(db)())
	require.NoError(t, next(db)())
	pool = x.of(t, next(db))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	inTx = x.of(t, next(tx))
	require.NoError(t, tx.Commit())
	return pool, inTx
}

func countEvents(t *testing.T, db *bun.DB) int {
	t.Helper()
	var n int
	require.NoError(t, db.NewRaw("SELECT count(*) FROM audit_events").Scan(t.Context(), &n))
	return n
}
