package retrieval_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// verified fails where history doesn't tell the table as it is.
func verified[M any](t *testing.T, db bun.IDB) {
	t.Helper()
	for f, err := range retrieval.For[M](db).Verify(t.Context(), retrieval.VerifyOptions{}) {
		require.NoError(t, err)
		t.Error(f)
	}
}

// Rows that have exchanged their keys get them back, and that can be undone again.
func TestRevertOfExchangedKeys(t *testing.T) {
	const things = "INSERT INTO things (id, a, b) VALUES "
	move := func(from, to int) string { return fmt.Sprintf("UPDATE things SET id = %d WHERE id = %d", to, from) }
	for name, c := range map[string]struct {
		statements []string
		rows       int
	}{
		"two":                  {[]string{move(1, 9), move(2, 1), move(9, 2)}, 2},
		"and values":           {[]string{move(1, 9), "UPDATE things SET a = 'x' WHERE id = 9", move(2, 1), move(9, 2), "UPDATE things SET a = 'y'"}, 4},
		"three":                {[]string{move(1, 9), move(2, 1), move(3, 2), move(9, 3)}, 3},
		"twice two":            {[]string{move(1, 9), move(2, 1), move(9, 2), move(3, 9), move(4, 3), move(9, 4)}, 4},
		"a new row between":    {[]string{move(1, 9), things + "(1, 'new', '')", move(2, 8), move(9, 2), move(1, 9), move(8, 1)}, 3},
		"one is deleted":       {[]string{move(1, 9), move(2, 1), move(9, 2), "DELETE FROM things WHERE id = 1"}, 2},
		"0 and a negative one": {[]string{move(0, 9), move(-5, 0), move(9, -5)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				pool := audited(t, db, (*Thing)(nil))
				insert(t, pool, Thing{ID: 1, A: "a", B: "b"}, Thing{ID: 2, A: "c", B: "d"}, Thing{ID: 3, A: "e", B: "f"}, Thing{ID: 4, A: "g", B: "h"})
				if c.statements[0] == move(0, 9) {
					exec(t, pool, move(3, 0))
					exec(t, pool, move(4, -5))
				}
				before := dump(t, db)
				tx := transact(t, pool, c.statements...)
				after := dump(t, db)
				_, err := revert(t, db, retrieval.ForAll(db).Tx(tx), because)
				require.ErrorIs(t, err, retrieval.ErrUnrecorded, "a database without the hook")
				require.Equal(t, after, dump(t, db), "nothing has happened")

				for range 2 { // back, and there again
					n, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
					require.NoError(t, err)
					assert.Equal(t, c.rows, n)
					assert.Equal(t, before, dump(t, db))
					last, err := retrieval.For[Thing](pool).Last(t.Context())
					require.NoError(t, err)
					tx, before, after = last.Tx, after, before
				}
				verified[Thing](t, pool)
			})
		})
	}
}

// A temporary key is none that anybody knows, and leaves the history of others
// alone.
func TestATemporaryKeyIsNobodysKey(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"}, Thing{ID: -1, A: "c"})
		insert(t, db.DB, Thing{ID: -2, A: "d"}) // behind the hook's back
		exec(t, pool, "DELETE FROM things WHERE id = -1")
		tx := transact(t, pool, "UPDATE things SET id = 9 WHERE id = 1", "UPDATE things SET id = 1 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 9")
		_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.NoError(t, err)
		n, err := retrieval.For[Thing](pool).Key(-3).Count(t.Context())
		require.NoError(t, err)
		assert.NotZero(t, n)
		n, err = retrieval.For[Thing](pool).Key(-1).Count(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		var story []string
		for e, err := range retrieval.For[Thing](pool).Key(1).Op(sink.Update).Reason("a mistake").Events(t.Context()) {
			require.NoError(t, err)
			story = append(story, string(e.OldKey["id"])+" to "+string(e.Key["id"]))
		}
		assert.Subset(t, []string{"2 to -3", "1 to 2", "-3 to 1", "1 to -3", "2 to 1", "-3 to 2"}, story)
	})
}

// What refers to rows by a foreign key goes with them, and isn't deleted.
func TestRevertOfExchangedKeysKeepsWhatRefersToThem(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		if db.Backend == testdb.SQLite {
			exec(t, db.DB, "PRAGMA foreign_keys = ON")
			pool.SetMaxOpenConns(1)
			exec(t, pool, "PRAGMA foreign_keys = ON")
		}
		exec(t, db.DB, "CREATE TABLE parts (id int PRIMARY KEY, thing bigint NOT NULL, "+
			"FOREIGN KEY (thing) REFERENCES things (id) ON DELETE CASCADE ON UPDATE CASCADE)")
		insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"})
		exec(t, db.DB, "INSERT INTO parts VALUES (10, 1), (11, 1), (20, 2)")
		parts := func() (out string) {
			var rows []struct{ ID, Thing int }
			require.NoError(t, db.NewSelect().Table("parts").Column("id", "thing").Order("id").Scan(t.Context(), &rows))
			return fmt.Sprint(rows)
		}
		tx := transact(t, pool, "UPDATE things SET id = 9 WHERE id = 1", "UPDATE things SET id = 1 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 9")
		require.Equal(t, "[{10 2} {11 2} {20 1}]", parts())
		_, err := retrieval.ForAll(pool).Tx(tx).Revert(t.Context(), because)
		require.NoError(t, err)
		assert.Equal(t, "1 a , 2 b , ", dump(t, db))
		assert.Equal(t, "[{10 1} {11 1} {20 2}]", parts())
		verified[Thing](t, pool)
	})
}

// What the database has against a temporary key shows in the run alone, which
// leaves everything as it was then.
func TestATemporaryKeyThatTheDatabaseRefuses(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		exec(t, db.DB, "DROP TABLE things")
		exec(t, db.DB, "CREATE TABLE things (id bigint PRIMARY KEY CHECK (id > 0), a varchar(9), b varchar(9))")
		insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"})
		tx := transact(t, pool, "UPDATE things SET id = 9 WHERE id = 1", "UPDATE things SET id = 1 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 9")
		after := dump(t, db)
		_, err := retrieval.ForAll(pool).Tx(tx).Revert(t.Context(), because)
		require.ErrorContains(t, err, "you have to give them their keys and values back by statements of your own")
		assert.Equal(t, after, dump(t, db))
		verified[Thing](t, pool)
	})
}

func TestAnUnsignedKeyGetsNoNegativeOne(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	pool := audited(t, db, (*Thing)(nil))
	exec(t, db.DB, "ALTER TABLE things MODIFY id bigint unsigned NOT NULL")
	insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"})
	before := dump(t, db)
	tx := transact(t, pool, "UPDATE things SET id = 9 WHERE id = 1", "UPDATE things SET id = 1 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 9")
	_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
	require.NoError(t, err)
	assert.Equal(t, before, dump(t, db))
	verified[Thing](t, pool)
}

// Of a key of several columns one is changed that the row gets anyway.
func TestRevertOfExchangedKeysOfSeveralColumns(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Seat)(nil))
		insert(t, pool, Seat{Tenant: "acme", No: 1, Label: "a"}, Seat{Tenant: "acme", No: 2, Label: "b"}, Seat{Tenant: "umbrella", No: 1, Label: "c"})
		tx := transact(t, pool, "UPDATE seats SET no = 9 WHERE tenant = 'acme' AND no = 1", "UPDATE seats SET no = 1 WHERE tenant = 'acme' AND no = 2",
			"UPDATE seats SET no = 2 WHERE tenant = 'acme' AND no = 9")
		n, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		var seats []Seat
		require.NoError(t, db.NewSelect().Model(&seats).Order("label").Scan(t.Context()))
		assert.Equal(t, []Seat{{Tenant: "acme", No: 1, Label: "a"}, {Tenant: "acme", No: 2, Label: "b"}, {Tenant: "umbrella", No: 1, Label: "c"}}, seats)
		verified[Seat](t, pool)
		n, err = retrieval.For[Seat](pool).Key("acme", -1).Count(t.Context())
		require.NoError(t, err)
		assert.NotZero(t, n, "the tenant is that of the row")
	})
}

// One statement that gives rows the keys of others can be undone where the database
// changes the rows one by one: so does history.
func TestRevertOfKeysShiftedByOneStatement(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"}, Thing{ID: 3, A: "c"})
		before := dump(t, db)
		statements := []string{"UPDATE things SET id = id - 1"}
		if db.Backend == testdb.MariaDB {
			statements = []string{"UPDATE things SET id = id - 1 ORDER BY id", "UPDATE things SET id = id + 1 ORDER BY id DESC"}
		}
		for _, s := range statements {
			tx := transact(t, pool, s)
			n, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
			require.NoError(t, err)
			assert.Equal(t, 3, n)
			assert.Equal(t, before, dump(t, db))
			verified[Thing](t, pool)
		}
	})
}

// With a key that is DEFERRABLE PostgreSQL changes all rows at once.
func TestRevertOfKeysThatWereExchangedAtOnce(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	pool := audited(t, db, (*Thing)(nil))
	deferrable(t, db)
	insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"}, Thing{ID: 3, A: "c"})
	for _, statements := range [][]string{
		{"UPDATE things SET id = id + 1"},
		{"UPDATE things SET id = 3 - id WHERE id < 3"},
		{"UPDATE things SET id = CASE id WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 1 END, b = 'x'"},
		{"UPDATE things SET id = 3 - id WHERE id < 3", "UPDATE things SET id = 5 - id WHERE id > 1", "DELETE FROM things WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 1"},
		{"INSERT INTO things (id, a, b) VALUES (9, 'i', '')", "UPDATE things SET id = 10 - id WHERE id IN (1, 9)", "DELETE FROM things WHERE id = 1"},
		{"UPDATE things SET id = 9 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 3", "UPDATE things SET id = 3 WHERE id = 9"},
	} {
		before := dump(t, db)
		tx := transact(t, pool, statements...)
		after := dump(t, db)
		_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.NoError(t, err, statements)
		assert.Equal(t, before, dump(t, db), statements)
		undone, err := retrieval.ForAll(pool).NewestFirst().Limit(1).All(t.Context())
		require.NoError(t, err)
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(undone[0].Tx), because)
		require.NoError(t, err, statements)
		assert.Equal(t, after, dump(t, db), statements)
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.NoError(t, err, statements)
		verified[Thing](t, pool)
	}
}

// Where conditions leave out what became of a row, nothing is changed by guess.
func TestRevertOfAPartOfWhatHappenedToAKey(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Thing)(nil))
		insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"})
		tx := transact(t, pool, "UPDATE things SET a = 'x' WHERE id = 1", "DELETE FROM things WHERE id = 1", "UPDATE things SET id = 1 WHERE id = 2")
		after := dump(t, db)
		_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx).Op(sink.Update), because)
		require.ErrorContains(t, err, "history has two rows of things with the same key")
		assert.Equal(t, after, dump(t, db))
		_, err = revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.NoError(t, err)
		assert.Equal(t, "1 a , 2 b , ", dump(t, db))
	})
}
