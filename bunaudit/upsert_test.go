package bunaudit_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Stock has a unique column beside its primary key.
type Stock struct {
	bun.BaseModel `bun:"table:stock,audit"`

	ID  int64  `bun:",pk,autoincrement"`
	SKU string `bun:",unique"`
	N   int
}

func TestAnUpsertIsRecordedAsWhatItDidToEachRow(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
		stock := func(rows ...*Stock) *bun.InsertQuery {
			return upsert(a.NewInsert().Model(&rows), "sku", "n = EXCLUDED.n")
		}
		first := &Stock{SKU: "a", N: 1}
		_, err := stock(first).Exec(ctx)
		require.NoError(t, err)
		rows := []*Stock{{SKU: "a", N: 2}, {SKU: "b", N: 5}}
		res, err := stock(rows...).Returning("id, n").Exec(ctx)
		require.NoError(t, err)
		affected, err := res.RowsAffected()
		require.NoError(t, err)
		require.EqualValues(t, 2, affected)
		require.Equal(t, first.ID, rows[0].ID)
		// Nothing changes, and a condition that doesn't hold.
		_, err = stock(&Stock{SKU: "a", N: 2}).Exec(ctx)
		require.NoError(t, err)
		if !onMariaDB(a) { // which has no condition there
			_, err = stock(&Stock{SKU: "a", N: 9}).Where("stock.n > 100").Exec(ctx)
			require.NoError(t, err)
		}
		// In a transaction, by an expression, on the primary key.
		err = a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			q := upsert(tx.NewInsert().Model(&Stock{ID: first.ID, SKU: "x", N: 3}), "id", "n = stock.n + EXCLUDED.n")
			if onMariaDB(a) {
				q = q.Set("id = LAST_INSERT_ID(stock.id)")
			} else {
				q = q.Set("id = EXCLUDED.id")
			}
			return exec(q.Exec(ctx))
		})
		require.NoError(t, err)
		again := "INSERT INTO stock (sku, n) SELECT 'b', 6 WHERE 1 = 1 ON CONFLICT (sku) DO UPDATE SET n = EXCLUDED.n"
		if onMariaDB(a) {
			again = "INSERT INTO stock (sku, n) SELECT 'b', 6 FROM dual WHERE 1 = 1 ON DUPLICATE KEY UPDATE n = VALUES(n)"
		}
		_, err = a.NewRaw(again).Exec(ctx)
		require.NoError(t, err)
		id, b := fmt.Sprint(first.ID), fmt.Sprint(rows[1].ID)
		require.Equal(t, []string{
			`insert stock {"id":` + id + `}: n -> 1, sku -> "a"`,
			`update stock {"id":` + id + `}: n 1 -> 2`,
			`insert stock {"id":` + b + `}: n -> 5, sku -> "b"`,
			`update stock {"id":` + id + `}: n 2 -> 5`,
			`update stock {"id":` + b + `}: n 5 -> 6`,
		}, a.story(t))
	})
}

func TestAnUpsertThatMovesARowIsRecordedWithItsOldKey(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
		stock := func(set string, rows ...Stock) func(context.Context, runner) error {
			return func(ctx context.Context, db runner) error {
				rows := slices.Clone(rows) // Bun writes to them
				return exec(upsert(db.NewInsert().Model(&rows), "sku", set).Exec(ctx))
			}
		}
		moved := func(from, to int) string {
			return fmt.Sprintf(`update stock {"id":%d} was {"id":%d}: id %d -> %d`, to, from, from, to)
		}
		tell(t, a, []told{
			{"rows to find", stock("n = EXCLUDED.n", Stock{ID: 101, SKU: "a", N: 1}, Stock{ID: 102, SKU: "b", N: 2}),
				[]string{`insert stock {"id":101}: n -> 1, sku -> "a"`, `insert stock {"id":102}: n -> 2, sku -> "b"`}, ""},
			{"one", stock("id = EXCLUDED.id", Stock{ID: 107, SKU: "a"}), []string{moved(101, 107)}, ""},
			{"one, by another column too", stock("n = EXCLUDED.n, id = EXCLUDED.id", Stock{ID: 108, SKU: "a", N: 9}),
				[]string{moved(107, 108) + ", n 1 -> 9"}, ""},
			{"one that is kept", stock("id = EXCLUDED.id", Stock{ID: 108, SKU: "a"}), nil, ""},
			{"some, of which one is new", stock("id = EXCLUDED.id", Stock{ID: 110, SKU: "b"}, Stock{ID: 109, SKU: "c", N: 3}, Stock{ID: 111, SKU: "a"}),
				[]string{moved(102, 110), `insert stock {"id":109}: n -> 3, sku -> "c"`, moved(108, 111)}, ""},
			{"rows that can be in nobody's way", func(ctx context.Context, db runner) error {
				if onMariaDB(db) {
					return raw("INSERT INTO stock (id, n) VALUES (120, 1), (121, 2) ON DUPLICATE KEY UPDATE id = 7")(ctx, db)
				}
				return raw("INSERT INTO stock (id, n) VALUES (120, 1), (121, 2) ON CONFLICT (sku) DO UPDATE SET id = 7")(ctx, db)
			}, []string{`insert stock {"id":120}: n -> 1, sku -> null`, `insert stock {"id":121}: n -> 2, sku -> null`}, ""},
			{"into the key of another", stock("id = EXCLUDED.id + 1 - 1", Stock{ID: 102, SKU: "a"}, Stock{ID: 111, SKU: "b"}),
				[]string{moved(111, 102), moved(110, 111)}, ""},
		})
	})
}

func TestAnUpsertThatMovesWhatItFindsRowsByIsRefused(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		if db.Backend == testdb.MariaDB {
			t.Skip("it sees each row as it finds it")
		}
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
		if db.Backend == testdb.Postgres && db.Variant != separately && serverVersion(t, db) >= 180000 {
			t.Skip("RETURNING has the old values")
		}
		insert := "INSERT INTO stock (id, sku, n) VALUES (1, 'a', 1) ON CONFLICT "
		for _, conflict := range []string{
			"(sku) DO UPDATE SET id = 7, sku = 'b'", "(id) DO UPDATE SET id = 7", "(sku) WHERE true DO UPDATE SET id = 7", "(sku COLLATE \"C\") DO UPDATE SET id = 7",
		} {
			err := raw(insert+conflict)(t.Context(), a.DB)
			var refused *bunaudit.UncapturableError
			require.ErrorAs(t, err, &refused, conflict)
			require.Contains(t, refused.Reason, "changes the primary key")
		}
		require.Empty(t, a.story(t))
	})
}

// PostgreSQL calls it an error.
func TestARowMayBeUpsertedTwiceInOneStatement(t *testing.T) {
	for _, backend := range []string{testdb.SQLite, testdb.MariaDB} {
		t.Run(backend, func(t *testing.T) {
			a := newAudited(t, testdb.New(t, backend), bunaudit.Config{}, (*Stock)(nil))
			rows := []*Stock{{SKU: "a", N: 1}, {SKU: "a", N: 2}, {SKU: "a", N: 2}, {SKU: "a", N: 3}}
			require.NoError(t, exec(upsert(a.NewInsert().Model(&rows), "sku", "n = EXCLUDED.n").Exec(t.Context())))
			require.Equal(t, []string{
				`insert stock {"id":1}: n -> 1, sku -> "a"`,
				`update stock {"id":1}: n 1 -> 2`,
				`update stock {"id":1}: n 2 -> 3`,
			}, a.story(t))
		})
	}
}

// Under contention the old values have to chain, and nobody may be told of an
// error that he would not have without the audit.
func TestConcurrentUpsertsChain(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
		requireChainOfUpserts(t, a, func(ctx context.Context, i int) error {
			row := &Stock{SKU: fmt.Sprintf("s%d", i%3), N: 1}
			return exec(upsert(a.NewInsert().Model(row), "sku", "n = stock.n + 1").Exec(ctx))
		})
	})
}

// requireChainOfUpserts runs an upsert that adds 1 to the column n of the row
// that i stands for, modulo 3, from several clients.
func requireChainOfUpserts(t *testing.T, a *audited, upsert func(ctx context.Context, i int) error) {
	t.Helper()
	const clients, each = 8, 24
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := range each {
				if err := upsert(t.Context(), i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := map[string]string{}
	for _, e := range a.events(t) {
		key := string(e.Key["id"])
		change := e.Changes["n"]
		require.Equal(t, last[key], string(change.Old), key)
		last[key] = string(change.New)
	}
	require.Len(t, last, 3)
	for _, n := range last {
		require.Equal(t, fmt.Sprint(clients*each/3), n)
	}
	require.Len(t, a.events(t), clients*each)
}

// The second run of an upsert may come to other rows than the first. SQLite
// doesn't say what became of a row, so it must not be taken for an insert.
func TestAnUpsertThatIsDifferentEachTimeIsNeverRecordedFalsely(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
		rows := make([]Stock, 15) // so many that two runs are hardly ever alike
		for i := range rows {
			rows[i].SKU = fmt.Sprint(i)
		}
		_, err := a.NewInsert().Model(&rows).Exec(ctx)
		require.NoError(t, err)
		coin := map[string]string{
			testdb.SQLite:   "FROM stock WHERE random() % 2 = 0 ON CONFLICT (id) DO UPDATE SET",
			testdb.Postgres: "FROM stock WHERE random() < 0.5 ON CONFLICT (id) DO UPDATE SET",
			testdb.MariaDB:  "FROM stock AS s WHERE rand() < 0.5 ON DUPLICATE KEY UPDATE",
		}[db.Backend]
		for range 30 {
			_, err := a.NewRaw("INSERT INTO stock (id, sku, n) SELECT id, sku, n " + coin + " n = stock.n + 1").Exec(ctx)
			require.NoError(t, err)
		}
		last := map[string]string{}
		for _, e := range a.events(t) {
			key, change := string(e.Key["id"]), e.Changes["n"]
			require.Equal(t, last[key], string(change.Old), key)
			last[key] = string(change.New)
		}
		require.Len(t, last, len(rows))
	})
}

// A key that the database makes up at random is another one in each run.
func TestAnUpsertMayInsertUnderARandomKey(t *testing.T) {
	db := testdb.New(t, testdb.SQLite)
	ctx := t.Context()
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}})
	_, err := db.ExecContext(ctx, "CREATE TABLE stock (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, n INTEGER)")
	require.NoError(t, err)
	for range 3 {
		_, err = a.NewRaw("INSERT INTO stock (id, sku, n) SELECT abs(random()), column1, column2 FROM (VALUES ('a', 1), ('b', 2)) WHERE 1 = 1" +
			" ON CONFLICT (sku) DO UPDATE SET n = stock.n + 1").Exec(ctx)
		require.NoError(t, err)
	}
	require.Len(t, a.events(t), 6)
	require.Regexp(t, `^insert stock \{"id":\d+\}: n -> 1, sku -> "a"$`, a.story(t)[0])
	require.Regexp(t, `^update stock \{"id":\d+\}: n 3 -> 4$`, a.story(t)[5])
}
