package retrieval_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	gouuid "github.com/google/uuid"
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
		"two":                     {[]string{move(1, 9), move(2, 1), move(9, 2)}, 2},
		"by another row's key":    {[]string{move(3, 9), move(1, 3), move(2, 1), move(3, 2), move(9, 3)}, 2},
		"and values":              {[]string{move(1, 9), "UPDATE things SET a = 'x' WHERE id = 9", move(2, 1), move(9, 2), "UPDATE things SET a = 'y'"}, 4},
		"three":                   {[]string{move(1, 9), move(2, 1), move(3, 2), move(9, 3)}, 3},
		"twice two":               {[]string{move(1, 9), move(2, 1), move(9, 2), move(3, 9), move(4, 3), move(9, 4)}, 4},
		"a new row between":       {[]string{move(1, 9), things + "(1, 'new', '')", move(2, 8), move(9, 2), move(1, 9), move(8, 1)}, 3},
		"one is deleted":          {[]string{move(1, 9), move(2, 1), move(9, 2), "DELETE FROM things WHERE id = 1"}, 2},
		"the negative ones exist": {[]string{things + "(-1, '', ''), (-2, '', '')", move(1, 9), move(2, 1), move(9, 2)}, 4},
		"0 and a negative one":    {[]string{move(0, 9), move(-5, 0), move(9, -5)}, 2},
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

				for range 3 { // there, back and there again
					n, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
					require.NoError(t, err)
					assert.Equal(t, c.rows, n)
					assert.Equal(t, before, dump(t, db))
					verified[Thing](t, pool)
					last, err := retrieval.For[Thing](pool).Last(t.Context())
					require.NoError(t, err)
					tx, before, after = last.Tx, after, before
				}
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

type UUIDKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   gouuid.UUID `bun:",pk,type:uuid"`
	Text string
}

type TextKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   string `bun:",pk,type:varchar(36)"`
	Text string
}

type SmallKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   uint8 `bun:",pk"`
	Text string
}

type TimeKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   time.Time `bun:",pk"`
	Text string
}

// exchange has two rows exchange their keys a and b by way of c, and reverts that.
func exchange[M any](t *testing.T, db *testdb.DB, rows []M, a, b, c any, refused string) {
	t.Helper()
	pool := audited(t, db, (*M)(nil))
	insert(t, pool, rows...)
	all := func() (rows []M) {
		require.NoError(t, db.NewSelect().Model(&rows).Order("id").Scan(t.Context()))
		return rows
	}
	before := all()
	err := pool.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		for _, move := range [][2]any{{a, c}, {b, a}, {c, b}} {
			if _, err := tx.NewRaw("UPDATE labels SET id = ? WHERE id = ?", move[1], move[0]).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	after := all()
	last, err := retrieval.For[M](pool).Last(t.Context())
	require.NoError(t, err)
	n, err := revert(t, db, retrieval.ForAll(pool).Tx(last.Tx), because)
	if refused != "" {
		require.ErrorContains(t, err, refused)
		assert.Equal(t, after, all())
	} else {
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		assert.Equal(t, before, all())
	}
	verified[M](t, pool)
}

func TestRevertOfExchangedKeysOfOtherTypes(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	for name, do := range map[string]func(*testing.T, *testdb.DB){
		"UUIDs": func(t *testing.T, db *testdb.DB) {
			a, b, c := gouuid.New(), gouuid.New(), gouuid.New()
			if db.Backend == testdb.MariaDB {
				t.Skip("MariaDB 10.6 has no type uuid")
			}
			exchange(t, db, []UUIDKey{{ID: a, Text: "a"}, {ID: b, Text: "b"}}, a, b, c, "")
		},
		"UUIDs as text": func(t *testing.T, db *testdb.DB) {
			a, b, c := gouuid.NewString(), gouuid.NewString(), gouuid.NewString()
			exchange(t, db, []TextKey{{ID: a, Text: "a"}, {ID: b, Text: "b"}}, a, b, c, "")
		},
		"texts": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []TextKey{{ID: "AT-1", Text: "a"}, {ID: "DE-2", Text: "b"}}, "AT-1", "DE-2", "x", "")
		},
		"texts of which there are no others": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []TextKey{{ID: "ä", Text: "a"}, {ID: "ö", Text: "b"}}, "ä", "ö", "x", "there is none that could be told from the type of id")
		},
		"numbers that can't be negative": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []SmallKey{{ID: 1, Text: "a"}, {ID: 2, Text: "b"}}, 1, 2, 9, "")
		},
		"those of which there are no others": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []SmallKey{{ID: 0, Text: "a"}, {ID: 1, Text: "b"}}, 0, 1, 9, "there is none that could be told from the type of id")
		},
		"times": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []TimeKey{{ID: at(1), Text: "a"}, {ID: at(2), Text: "b"}}, at(1), at(2), at(9), "there is none that could be told from the type of id")
		},
	} {
		t.Run(name, func(t *testing.T) { testdb.Run(t, do) })
	}
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

// With a key that is DEFERRABLE PostgreSQL changes all rows at once, and history
// can't tell which row is which.
func TestRevertRefusesKeysThatWereExchangedAtOnce(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	pool := audited(t, db, (*Thing)(nil))
	exec(t, db.DB, "ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (id) DEFERRABLE")
	insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"}, Thing{ID: 3, A: "c"})
	for _, s := range []string{"UPDATE things SET id = id + 1", "UPDATE things SET id = CASE id WHEN 2 THEN 3 ELSE 2 END WHERE id < 4"} {
		tx := transact(t, pool, s)
		after := dump(t, db)
		_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
		require.ErrorContains(t, err, "one statement has given rows of things each other's keys", s)
		assert.Equal(t, after, dump(t, db))
	}
	// A row that goes and comes back is no such thing, and neither are statements
	// one after the other.
	before := dump(t, db)
	tx := transact(t, pool, "UPDATE things SET id = 9 WHERE id = 2", "UPDATE things SET id = 2 WHERE id = 3", "UPDATE things SET id = 3 WHERE id = 9",
		"UPDATE things SET id = 8 WHERE id = 4", "UPDATE things SET id = 4 WHERE id = 8")
	_, err := revert(t, db, retrieval.ForAll(pool).Tx(tx), because)
	require.NoError(t, err)
	assert.Equal(t, before, dump(t, db))
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
