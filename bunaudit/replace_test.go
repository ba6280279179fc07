package bunaudit_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// replacing runs body on the databases that have REPLACE.
func replacing(t *testing.T, body func(t *testing.T, db *testdb.DB)) {
	t.Helper()
	for _, backend := range []string{testdb.SQLite, testdb.MariaDB} {
		t.Run(backend, func(t *testing.T) { body(t, testdb.New(t, backend)) })
	}
}

func TestAReplaceIsRecordedAsTheRowsItDeletesAndInserts(t *testing.T) {
	replacing(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
		tell(t, a, []told{
			{"nothing in the way", raw("REPLACE INTO stock VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)"),
				[]string{`insert stock {"id":1}: n -> 1, sku -> "a"`, `insert stock {"id":2}: n -> 2, sku -> "b"`, `insert stock {"id":3}: n -> 3, sku -> "c"`}, ""},
			{"the same key", raw("REPLACE INTO stock (id, sku, n) VALUES (1, 'a', 10)"),
				[]string{`delete stock {"id":1}: n 1, sku "a"`, `insert stock {"id":1}: n -> 10, sku -> "a"`}, ""},
			{"the same row", raw("REPLACE INTO stock (id, sku, n) VALUES (1, 'a', 10)"),
				[]string{`delete stock {"id":1}: n 10, sku "a"`, `insert stock {"id":1}: n -> 10, sku -> "a"`}, ""},
			{"two rows in the way of one", raw("REPLACE INTO stock VALUES (1, 'b', 12)"),
				[]string{`delete stock {"id":1}: n 10, sku "a"`, `delete stock {"id":2}: n 2, sku "b"`, `insert stock {"id":1}: n -> 12, sku -> "b"`}, ""},
			{"rows in the way of one another", raw("REPLACE INTO stock VALUES (5, 'c', 5), (5, 'e', 6), (6, 'e', 7), (7, 'f', 8)"),
				[]string{`delete stock {"id":3}: n 3, sku "c"`, `insert stock {"id":5}: n -> 5, sku -> "c"`, `delete stock {"id":5}: n 5, sku "c"`,
					`insert stock {"id":5}: n -> 6, sku -> "e"`, `delete stock {"id":5}: n 6, sku "e"`,
					`insert stock {"id":6}: n -> 7, sku -> "e"`, `insert stock {"id":7}: n -> 8, sku -> "f"`}, ""},
			{"a number from the database", raw("REPLACE INTO stock (id, sku, n) VALUES (NULL, 'f', 9)"),
				[]string{`delete stock {"id":7}: n 8, sku "f"`, insertOf(db, 8, 9, "f")}, ""},
			{"of what the table has", raw("REPLACE INTO stock SELECT id, sku, n + 100 FROM stock WHERE id < 7"),
				[]string{`delete stock {"id":1}: n 12, sku "b"`, `delete stock {"id":6}: n 7, sku "e"`,
					`insert stock {"id":1}: n -> 112, sku -> "b"`, `insert stock {"id":6}: n -> 107, sku -> "e"`}, ""},
			{"of a random row", raw("REPLACE INTO stock SELECT 1, sku, 0 FROM stock WHERE id > 1 ORDER BY " + random(db) + " LIMIT 0"), nil, ""},
		})
	})
}

// At READ COMMITTED a row that isn't there isn't locked: another client may insert
// it when the rows that are in the way have been read.
func TestARowThatComesInTheWayOfAReplaceMeanwhileIsRecordedAsDeleted(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
	a.execute(t, "INSERT INTO stock VALUES (1, 'a', 1)")
	savepoints := 0
	a.AddQueryHook(&canceller{prefix: "SAVEPOINT bunaudit_rehearsal", cancel: func() {
		if savepoints++; savepoints == 2 {
			a.execute(t, "INSERT INTO stock VALUES (2, 'late', 0)")
		}
	}})
	require.NoError(t, a.RunInTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted}, func(ctx context.Context, tx bun.Tx) error {
		return exec(tx.NewInsert().Model(&[]Stock{{ID: 1, SKU: "a", N: 7}, {ID: 2, SKU: "b", N: 7}}).Replace().Exec(ctx))
	}))
	require.Greater(t, savepoints, 2)
	require.Equal(t, []string{
		`delete stock {"id":1}: n 1, sku "a"`, `insert stock {"id":1}: n -> 7, sku -> "a"`,
		`delete stock {"id":2}: n 0, sku "late"`, `insert stock {"id":2}: n -> 7, sku -> "b"`,
	}, a.story(t))
}

func random(db *testdb.DB) string {
	if db.Backend == testdb.MariaDB {
		return "RAND()"
	}
	return "random()"
}

// insertOf is the insert of a row whose number the database has made up, which
// runs that were undone have used up on MariaDB.
func insertOf(db *testdb.DB, id, n int, sku string) string {
	if db.Backend == testdb.MariaDB {
		id = 11
	}
	return fmt.Sprintf(`insert stock {"id":%d}: n -> %d, sku -> %q`, id, n, sku)
}

// What a random row replaces is another row at each run.
func TestAReplaceOfRandomRowsIsExact(t *testing.T) {
	replacing(t, func(t *testing.T, db *testdb.DB) {
		ctx := deadline(t)
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
		require.NoError(t, raw("INSERT INTO stock VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4), (5, 'e', 5)")(ctx, a.DB))
		for i := range 8 {
			text := fmt.Sprintf("REPLACE INTO stock SELECT id, sku, %d FROM stock ORDER BY %s LIMIT 2", 100+i, random(db))
			require.NoError(t, raw(text)(ctx, a.DB))
		}
		require.NoError(t, replayed(t, a))
	})
}

// replayed reports whether what is on record of the table stock comes to its rows.
func replayed(t *testing.T, a *audited) error {
	t.Helper()
	rows := map[string]string{}
	for _, e := range a.events(t) {
		key, old, now := string(e.Key["id"]), "", ""
		for _, column := range []string{"sku", "n"} {
			old += " " + string(e.Changes[column].Old)
			now += " " + string(e.Changes[column].New)
		}
		switch e.Op {
		case "insert":
			if was, ok := rows[key]; ok {
				return fmt.Errorf("%s is inserted, and is there: %s", key, was)
			}
			rows[key] = now
		case "delete":
			if rows[key] != old {
				return fmt.Errorf("%s is deleted as%s, and was%s", key, old, rows[key])
			}
			delete(rows, key)
		}
	}
	var stock []Stock
	if err := a.plain.NewSelect().Model(&stock).Scan(t.Context()); err != nil {
		return err
	}
	if len(stock) != len(rows) {
		return fmt.Errorf("%d rows on record, %d there", len(rows), len(stock))
	}
	for _, s := range stock {
		if key := fmt.Sprint(s.ID); rows[key] != fmt.Sprintf(" %q %d", s.SKU, s.N) {
			return fmt.Errorf("%s is %v, and on record as%s", key, s, rows[key])
		}
	}
	return nil
}

// Whatever is unique is in the way: parts of a text, texts that only a collation
// takes for equal, columns together, a condition.
func TestAReplaceFindsRowsByEveryKindOfIndex(t *testing.T) {
	replacing(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}})
		steps := []told{
			{"some rows", raw("INSERT INTO stock (id, sku, n) VALUES (1, 'apple', 1), (2, 'Pear', 2), (3, NULL, 3)"),
				[]string{`insert stock {"id":1}: n -> 1, sku -> "apple"`, `insert stock {"id":2}: n -> 2, sku -> "Pear"`, `insert stock {"id":3}: n -> 3, sku -> null`}, ""},
			{"by case", raw("REPLACE INTO stock (id, sku, n) VALUES (10, 'PEAR', 4)"),
				[]string{`delete stock {"id":2}: n 2, sku "Pear"`, `insert stock {"id":10}: n -> 4, sku -> "PEAR"`}, ""},
			{"NULL is in nobody's way", raw("REPLACE INTO stock (id, sku, n) VALUES (4, NULL, 3)"), []string{`insert stock {"id":4}: n -> 3, sku -> null`}, ""},
		}
		if db.Backend == testdb.MariaDB {
			a.execute(t, "CREATE TABLE stock (id bigint PRIMARY KEY, sku varchar(20) COLLATE utf8mb4_general_ci, n int, half int AS (n DIV 2), UNIQUE (sku(3)), UNIQUE (half, sku))")
			steps = append(steps, told{"by the beginning", raw("REPLACE INTO stock (id, sku, n) VALUES (5, 'App', 9)"),
				[]string{`delete stock {"id":1}: n 1, sku "apple"`, `insert stock {"id":5}: n -> 9, sku -> "App"`}, ""})
		} else {
			a.execute(t, "CREATE TABLE stock (id integer PRIMARY KEY, sku text, n int)")
			a.execute(t, "CREATE UNIQUE INDEX s ON stock (sku COLLATE NOCASE)")
			a.execute(t, "CREATE UNIQUE INDEX p ON stock (n) WHERE n > 5")
			steps = append(steps,
				told{"by a condition that doesn't hold", raw("INSERT OR REPLACE INTO stock (id, sku, n) VALUES (5, 'fig', 3)"),
					[]string{`insert stock {"id":5}: n -> 3, sku -> "fig"`}, ""},
				told{"by a number that the row was not given", raw("REPLACE INTO stock (_rowid_, sku, n) VALUES (5, 'kiwi', 7)"),
					[]string{`delete stock {"id":5}: n 3, sku "fig"`, `insert stock {"id":5}: n -> 7, sku -> "kiwi"`}, ""},
				told{"by a condition", raw("REPLACE INTO stock (id, sku, n) VALUES (6, 'plum', 7)"),
					[]string{`delete stock {"id":5}: n 7, sku "kiwi"`, `insert stock {"id":6}: n -> 7, sku -> "plum"`}, ""})
		}
		tell(t, a, steps)
		if db.Backend == testdb.SQLite {
			a.execute(t, "CREATE UNIQUE INDEX e ON stock (abs(id))")
			tell(t, a, []told{
				{"nothing in the way by an expression", raw("REPLACE INTO stock (id, sku, n) VALUES (7, 'lime', 0)"), []string{`insert stock {"id":7}: n -> 0, sku -> "lime"`}, ""},
				{"a row in the way by one", raw("REPLACE INTO stock (id, sku, n) VALUES (-7, 'lemon', 1)"), nil, "on an expression"},
			}, a.story(t)...)
		}
	})
}

// Triggers that delete rows elsewhere do not confuse the count.
func TestAReplaceWithTriggers(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
	a.execute(t, "CREATE TABLE counts (id int PRIMARY KEY, n int)")
	a.execute(t, "INSERT INTO counts VALUES (1, 0), (2, 0)")
	a.execute(t, "CREATE TRIGGER i BEFORE INSERT ON stock FOR EACH ROW UPDATE counts SET n = n + 1")
	a.execute(t, "CREATE TRIGGER d AFTER DELETE ON stock FOR EACH ROW DELETE FROM counts WHERE id > 100")
	tell(t, a, []told{
		{"nothing in the way", raw("REPLACE INTO stock (sku, n) VALUES ('a', 1)"), []string{`insert stock {"id":4}: n -> 1, sku -> "a"`}, ""},
		{"a row in the way", raw("REPLACE INTO stock (id, sku, n) VALUES (9, 'a', 1)"),
			[]string{`delete stock {"id":4}: n 1, sku "a"`, `insert stock {"id":9}: n -> 1, sku -> "a"`}, ""},
	})
}

func TestConcurrentReplacesChain(t *testing.T) {
	replacing(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
		if onMariaDB(a) { // a number that it makes up and that another row takes first is an error of its own
			a.execute(t, "ALTER TABLE stock AUTO_INCREMENT = 1000")
		}
		ctx := deadline(t)
		errs := make(chan error)
		for client := range 6 {
			go func() {
				for i := range 12 {
					row := &Stock{SKU: fmt.Sprintf("s%d", (client+i)%4), N: client*100 + i}
					if i%2 == 0 {
						row.ID = int64(1 + i%5)
					}
					errs <- retried(func() error { return exec(a.NewInsert().Model(row).Replace().Exec(ctx)) })
				}
			}()
		}
		for range 6 * 12 {
			require.NoError(t, <-errs)
		}
		require.NoError(t, replayed(t, a))
	})
}

// retried runs a statement anew where it was the victim of a deadlock.
func retried(statement func() error) (err error) {
	for range 50 {
		if err = statement(); err == nil || !strings.Contains(err.Error(), "Error 1213") {
			return err
		}
	}
	return err
}

// A ROLLBACK that a statement does by itself leaves nothing to undo.
func TestInsertOrRollbackEndsTheTransaction(t *testing.T) {
	a := newAudited(t, testdb.New(t, testdb.SQLite), bunaudit.Config{}, (*Stock)(nil))
	ctx := t.Context()
	require.NoError(t, exec(a.NewInsert().Model(&Stock{ID: 1, SKU: "a"}).Exec(ctx)))
	taken := raw("INSERT OR ROLLBACK INTO stock VALUES (1, 'b', 1)")
	require.ErrorContains(t, taken(ctx, a.DB), "UNIQUE constraint failed")
	err := a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		require.NoError(t, exec(tx.NewInsert().Model(&Stock{ID: 2, SKU: "b"}).Exec(ctx)))
		require.ErrorContains(t, taken(ctx, tx), "UNIQUE constraint failed")
		require.Error(t, exec(tx.NewInsert().Model(&Stock{ID: 3, SKU: "c"}).Exec(ctx)), "nothing is committed by itself")
		return nil
	})
	require.Error(t, err)
	require.NoError(t, raw("INSERT OR ABORT INTO stock VALUES (4, 'd', 1)")(ctx, a.DB))
	require.Equal(t, []string{`insert stock {"id":1}: n -> 0, sku -> "a"`, `insert stock {"id":4}: n -> 1, sku -> "d"`}, a.story(t))
	require.NoError(t, replayed(t, a))
}
