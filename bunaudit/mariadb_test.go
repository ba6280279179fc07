package bunaudit_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

func TestStatementsThatOnlyMariaDBHas(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil), (*Item)(nil)}}, (*Stock)(nil), (*Item)(nil))
	tell(t, a, []told{
		{"INSERT SET", raw("INSERT INTO stock SET id = 1, sku = 'a', n = 1"), []string{`insert stock {"id":1}: n -> 1, sku -> "a"`}, ""},
		{"INSERT IGNORE", raw("insert ignore stock (id, sku, n) values (2, 'a', 9), (3, 'c', 3), (1, 'x', 9)"), []string{`insert stock {"id":3}: n -> 3, sku -> "c"`}, ""},
		{"an upsert by either of two unique indexes", raw("INSERT INTO stock VALUES (1, 'z', 5), (9, 'c', 7), (4, 'd', 4) ON DUPLICATE KEY UPDATE n = VALUES(n)"),
			[]string{`update stock {"id":1}: n 1 -> 5`, `update stock {"id":3}: n 3 -> 7`, `insert stock {"id":4}: n -> 4, sku -> "d"`}, ""},
		{"an upsert whose assignments build on one another", raw("INSERT INTO stock VALUES (1, 'q', 100) ON DUPLICATE KEY UPDATE n = n + VALUES(n), sku = CONCAT('n', n)"),
			[]string{`update stock {"id":1}: n 5 -> 105, sku "a" -> "n105"`}, ""},
		{"an upsert that changes nothing", raw("INSERT INTO stock VALUES (1, 'q', 1) ON DUPLICATE KEY UPDATE n = n"), nil, ""},
		{"an upsert from the same table", raw("INSERT INTO stock SELECT s.id, s.sku, 1 FROM stock AS s WHERE s.id = 3 ON DUPLICATE KEY UPDATE n = stock.n + 1"),
			[]string{`update stock {"id":3}: n 7 -> 8`}, ""},
		{"an insert from a table expression of the table's name", raw("INSERT INTO stock WITH stock AS (SELECT 90 AS id, 'w' AS sku, 9 AS n) SELECT * FROM stock"),
			[]string{`insert stock {"id":90}: n -> 9, sku -> "w"`}, ""},
		{"an upsert from one", raw("INSERT INTO stock WITH stock AS (SELECT 90 AS id, 'w' AS sku, 9 AS n) SELECT * FROM stock ON DUPLICATE KEY UPDATE n = 1"),
			nil, "without another name"},
		{"a delete of it", raw("DELETE FROM stock WHERE id = 90"), []string{`delete stock {"id":90}: n 9, sku "w"`}, ""},
		{"UPDATE with ORDER BY and LIMIT", raw("UPDATE stock SET n = 0 ORDER BY n DESC LIMIT 1"), []string{`update stock {"id":1}: n 105 -> 0`}, ""},
		{"UPDATE of what an earlier assignment has set", raw("UPDATE stock SET n = n + 1, sku = CONCAT(sku, n) WHERE id = 4"),
			[]string{`update stock {"id":4}: n 4 -> 5, sku "d" -> "d5"`}, ""},
		{"UPDATE by a join", raw("UPDATE stock AS s JOIN (SELECT 3 AS id, 30 AS n UNION ALL SELECT 3, 30) AS x ON x.id = s.id SET s.n = x.n"),
			[]string{`update stock {"id":3}: n 8 -> 30`}, ""},
		{"UPDATE of the other table of a join", raw("UPDATE items JOIN stock ON stock.id = items.id SET stock.n = 1"), nil, "it joins other tables"},
		{"UPDATE of both tables of a join", raw("UPDATE stock JOIN items ON stock.id = items.id SET stock.n = 1, items.name = 'x'"), nil, "it joins other tables"},
		{"a key moved by an expression", raw("UPDATE stock SET id = id + 100, n = id WHERE id < 4 ORDER BY id DESC"),
			[]string{`update stock {"id":103} was {"id":3}: id 3 -> 103, n 30 -> 103`, `update stock {"id":101} was {"id":1}: id 1 -> 101, n 0 -> 101`}, ""},
		{"a key set to what is set before", raw("UPDATE stock SET n = 5, id = id + n"), nil, "set before"},
		{"UPDATE IGNORE of a key", raw("UPDATE IGNORE stock SET id = 103"), nil, "UPDATE IGNORE"},
		{"UPDATE IGNORE", raw("UPDATE IGNORE stock SET sku = 'same' WHERE id > 100 ORDER BY id"), []string{`update stock {"id":101}: sku "n105" -> "same"`}, ""},
		{"DELETE with ORDER BY and LIMIT", raw("DELETE FROM stock ORDER BY id DESC LIMIT 1"), []string{`delete stock {"id":103}: n 103, sku "c"`}, ""},
		{"DELETE whose condition can't hold", raw("DELETE FROM stock WHERE id IN (NULL)"), nil, ""},
		{"DELETE by a join", raw("DELETE stock FROM stock JOIN items ON items.id = stock.id"), nil, "a common table expression or another part"},
		{"DELETE IGNORE", raw("DELETE IGNORE FROM stock"), nil, "DELETE IGNORE"},
		{"REPLACE DELAYED", raw("REPLACE DELAYED INTO stock VALUES (4, 'r', 1)"), nil, "carried out later"},
		{"TRUNCATE", raw("TRUNCATE TABLE stock"), nil, "commits by itself"},
	})
}

// Of two models on a table that is updated by a join, the statement's own
// records it; without one of them nobody could say what is tracked.
func TestJoinedUpdatesOfASharedTableOnMariaDB(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Animal)(nil), (*AnimalName)(nil), (*Stock)(nil)}}, (*Animal)(nil), (*Stock)(nil))
	a.execute(t, "INSERT INTO animals VALUES (1, 'cat', 'Tom')")
	a.execute(t, "INSERT INTO stock VALUES (1, 'Rex', 1)")
	byModel := func(model any) func(context.Context, runner) error {
		return func(ctx context.Context, db runner) error {
			return exec(db.NewUpdate().Model(model).TableExpr("stock AS s").Set("?TableAlias.name = s.sku").Where("s.id = ?TableAlias.id").Exec(ctx))
		}
	}
	tell(t, a, []told{
		{"by neither", raw("UPDATE animals JOIN stock ON stock.id = animals.id SET animals.name = stock.sku"), nil, "several audited models share the table"},
		{"by neither, in a list", raw("UPDATE animals, stock SET animals.name = stock.sku"), nil, "several audited models share the table"},
		{"by the second", byModel((*AnimalName)(nil)), []string{`update animals {"id":1}: name "Tom" -> "Rex"`}, ""},
	})
	require.Equal(t, "AnimalName", a.events(t)[0].Model)
}

// Each row moves to the key of the one before. The rows are found in the order of
// another index, and updated in that of the key.
func TestAKeyIsRecordedAsLeftBeforeItIsRecordedAsTakenAgain(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
	a.execute(t, "INSERT INTO stock VALUES (50, 'c', 0), (51, 'b', 0), (52, 'a', 0)")
	a.execute(t, "INSERT INTO stock SELECT 1000 + seq, CONCAT('other ', seq), 0 FROM seq_1_to_500") // or the index is of no use
	require.NoError(t, exec(a.NewUpdate().Model((*Stock)(nil)).Set("id = id - 1").Where("sku IN ('a', 'b', 'c')").Exec(t.Context())))
	require.Equal(t, []string{
		`update stock {"id":49} was {"id":50}: id 50 -> 49`, `update stock {"id":50} was {"id":51}: id 51 -> 50`,
		`update stock {"id":51} was {"id":52}: id 52 -> 51`,
	}, a.story(t))
}

// A trigger has the last word on what a row becomes.
func TestTriggersOnMariaDBAreSeenInWhatTheyLeave(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
	a.execute(t, "CREATE TRIGGER i BEFORE INSERT ON stock FOR EACH ROW SET NEW.n = NEW.n * 10")
	a.execute(t, "CREATE TRIGGER u BEFORE UPDATE ON stock FOR EACH ROW SET NEW.sku = CONCAT(NEW.sku, '!'), NEW.id = IF(NEW.n = 666, NEW.id + 1, NEW.id)")
	tell(t, a, []told{
		{"insert", raw("INSERT INTO stock VALUES (1, 'a', 1)"), []string{`insert stock {"id":1}: n -> 10, sku -> "a"`}, ""},
		{"update", raw("UPDATE stock SET n = 2"), []string{`update stock {"id":1}: n 10 -> 2, sku "a" -> "a!"`}, ""},
		{"upsert", raw("INSERT INTO stock VALUES (1, 'x', 3), (2, 'b', 4) ON DUPLICATE KEY UPDATE n = VALUES(n)"),
			[]string{`update stock {"id":1}: n 2 -> 30, sku "a!" -> "a!!"`, `insert stock {"id":2}: n -> 40, sku -> "b"`}, ""},
	})
	var unrecorded *bunaudit.NotRecordedError
	require.ErrorAs(t, exec(a.NewRaw("UPDATE stock SET n = 666 WHERE id = 2").Exec(t.Context())), &unrecorded)
	require.Contains(t, unrecorded.Error(), "did a trigger change its primary key?")
	var n int
	require.NoError(t, db.NewRaw("SELECT count(*) FROM stock WHERE n = 666").Scan(t.Context(), &n))
	require.Zero(t, n)
}

func TestTablesThatCanNotUndoAChangeAreRefused(t *testing.T) {
	for _, engine := range []string{"MyISAM", "Aria", "MEMORY"} {
		db := testdb.New(t, testdb.MariaDB)
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Item)(nil)}}, (*Item)(nil))
		a.execute(t, "ALTER TABLE items ENGINE="+engine)
		err := exec(a.NewInsert().Model(&Item{ID: 1}).Exec(t.Context()))
		var refused *bunaudit.UncapturableError
		require.ErrorAs(t, err, &refused)
		require.Contains(t, refused.Reason, "the table's engine is "+engine)
		require.ErrorContains(t, a.hook.Check(t.Context()), engine)
	}
}

// Under REPEATABLE READ, the default, a plain read sees the snapshot; a statement
// sees the latest rows.
func TestOldValuesAreTheLatestInATransactionWithASnapshot(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	ctx := t.Context()
	a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
	require.NoError(t, exec(a.NewInsert().Model(&[]Stock{{SKU: "a", N: 1}, {SKU: "b", N: 1}, {SKU: "c", N: 1}}).Exec(ctx)))
	require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var n int
		require.NoError(t, tx.NewRaw("SELECT sum(n) FROM stock").Scan(ctx, &n)) // takes the snapshot
		require.NoError(t, exec(a.NewUpdate().Model((*Stock)(nil)).Set("n = n + 10").Where("TRUE").Exec(ctx)))
		require.NoError(t, tx.NewRaw("SELECT sum(n) FROM stock").Scan(ctx, &n))
		require.Equal(t, 3, n)
		require.NoError(t, exec(tx.NewUpdate().Model((*Stock)(nil)).Set("n = n + 100").Where("sku = 'a'").Exec(ctx)))
		require.NoError(t, exec(upsert(tx.NewInsert().Model(&Stock{SKU: "b"}), "sku", "n = stock.n + 100").Exec(ctx)))
		return exec(tx.NewDelete().Model((*Stock)(nil)).Where("sku = 'c'").Exec(ctx))
	}))
	require.Equal(t, []string{
		`update stock {"id":1}: n 11 -> 111`, `update stock {"id":2}: n 11 -> 111`, `delete stock {"id":3}: n 11, sku "c"`,
	}, a.story(t)[6:])
}

// A deadlock rolls the whole transaction back. What its caller does next must not
// be committed by itself.
func TestADeadlockEndsTheTransaction(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	ctx := deadline(t)
	a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
	require.NoError(t, exec(a.NewInsert().Model(&[]Stock{{SKU: "a"}, {SKU: "b"}}).Exec(ctx)))
	begin, deadlocks := make(chan struct{}), make(chan error, 2)
	var holding, wg sync.WaitGroup
	holding.Add(2)
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() {
			tx, err := a.BeginTx(ctx, nil)
			if err != nil {
				t.Error(err)
				return
			}
			update := func(sku string) error {
				return exec(tx.NewUpdate().Model((*Stock)(nil)).Set("n = n + 1").Where("sku = ?", sku).Exec(ctx))
			}
			if err := update(order[0]); err != nil {
				t.Error(err)
			}
			holding.Done()
			<-begin
			if err := update(order[1]); err != nil {
				deadlocks <- err
				if update(order[0]) == nil {
					t.Error("the transaction goes on")
				}
				_ = tx.Rollback()
				return
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	holding.Wait()
	close(begin)
	wg.Wait()
	require.Len(t, deadlocks, 1)
	var cause *mysql.MySQLError
	require.ErrorAs(t, <-deadlocks, &cause)
	require.EqualValues(t, 1213, cause.Number)
	require.Len(t, a.story(t), 4)
	var sum int
	require.NoError(t, db.NewRaw("SELECT sum(n) FROM stock").Scan(ctx, &sum))
	require.Equal(t, 2, sum)
}

// How a program has set up its driver and its session shows in no event.
func TestSettingsOfTheDriverDoNotShow(t *testing.T) {
	for name, edit := range map[string]func(*mysql.Config){
		"times parsed, another zone": func(c *mysql.Config) { c.ParseTime, c.Params = true, map[string]string{"time_zone": "'-07:00'"} },
		"not strict":                 func(c *mysql.Config) { c.Params = map[string]string{"sql_mode": "''"} },
		"interpolated, found rows":   func(c *mysql.Config) { c.InterpolateParams, c.ClientFoundRows = true, true },
		"READ COMMITTED":             func(c *mysql.Config) { c.Params = map[string]string{"tx_isolation": "'READ-COMMITTED'"} },
		"without autocommit":         func(c *mysql.Config) { c.Params = map[string]string{"autocommit": "0"} },
	} {
		t.Run(name, func(t *testing.T) {
			db := testdb.New(t, testdb.MariaDB)
			a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Note)(nil), (*Stock)(nil))
			cfg, err := mysql.ParseDSN(db.DSN)
			require.NoError(t, err)
			edit(cfg)
			connector, err := mysql.NewConnector(cfg)
			require.NoError(t, err)
			pool := bun.NewDB(sql.OpenDB(connector), mysqldialect.New())
			defer pool.Close()
			pool.AddQueryHook(a.hook)
			ctx := t.Context()
			n := &Note{Text: "a"}
			require.NoError(t, exec(pool.NewInsert().Model(n).Exec(ctx)))
			require.NoError(t, exec(pool.NewDelete().Model(n).WherePK().Exec(ctx)))
			noop := int64(0)
			if cfg.ClientFoundRows {
				noop = 1
			}
			for i, want := range []int64{1, 2, noop} {
				res, err := pool.NewRaw("INSERT INTO stock VALUES (1, 'a', ?) ON DUPLICATE KEY UPDATE n = VALUES(n)", min(i, 1)).Exec(ctx)
				require.NoError(t, err)
				affected, err := res.RowsAffected()
				require.NoError(t, err)
				require.Equal(t, want, affected)
			}
			require.Equal(t, []string{`insert notes {"id":1}: text -> "a"`, `soft delete notes {"id":1}`,
				`insert stock {"id":1}: n -> 0, sku -> "a"`, `update stock {"id":1}: n 0 -> 1`}, a.story(t))
		})
	}
}

func TestSqlModesThatChangeWhatQuotesMeanAreRefused(t *testing.T) {
	for _, mode := range []string{"NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI"} {
		db := testdb.New(t, testdb.MariaDB)
		a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
		require.NoError(t, a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			require.NoError(t, exec(tx.ExecContext(ctx, fmt.Sprintf("SET sql_mode = '%s'", mode))))
			var refused *bunaudit.UncapturableError
			require.ErrorAs(t, exec(tx.NewInsert().Model(&Stock{SKU: "a"}).Exec(ctx)), &refused)
			require.Contains(t, refused.Reason, "sql_mode")
			return exec(tx.ExecContext(ctx, "SET sql_mode = DEFAULT"))
		}))
	}
}

// The usual way from a parent to its children.
func TestLastInsertIDIsThatOfTheStatement(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{}, (*Stock)(nil))
	require.NoError(t, a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		lastID := func() (id int) {
			require.NoError(t, tx.NewRaw("SELECT LAST_INSERT_ID()").Scan(ctx, &id))
			return id
		}
		require.NoError(t, exec(tx.NewInsert().Model(&[]Stock{{SKU: "a"}, {SKU: "b"}}).Exec(ctx)))
		require.Equal(t, 1, lastID())
		require.NoError(t, exec(tx.NewRaw("INSERT INTO stock (id, sku, n) VALUES (70, 'c', LAST_INSERT_ID())").Exec(ctx)))
		require.Equal(t, 1, lastID())
		require.NoError(t, exec(tx.NewUpdate().Model((*Stock)(nil)).Set("n = 7").Where("TRUE").Exec(ctx)))
		require.Equal(t, 1, lastID())
		require.NoError(t, exec(tx.NewRaw("INSERT INTO stock (sku, n) VALUES ('c', 0) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), n = 8").Exec(ctx)))
		require.Equal(t, 70, lastID())
		return exec(tx.NewDelete().Model((*Stock)(nil)).Where("id = LAST_INSERT_ID()").Exec(ctx))
	}))
	require.Equal(t, `delete stock {"id":70}: n 8, sku "c"`, a.story(t)[7])
}

// Whichever index finds the row, and whatever has happened to it in the same
// statement.
func TestAnUpsertThatMovesARowOnMariaDB(t *testing.T) {
	a := newAudited(t, testdb.New(t, testdb.MariaDB), bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
	tell(t, a, []told{
		{"twice, and into the key that it had", raw("INSERT INTO stock VALUES (1, 'a', 1), (2, 'a', 2), (1, 'a', 3), (1, 'b', 4) ON DUPLICATE KEY UPDATE id = VALUES(id), n = VALUES(n)"),
			[]string{`insert stock {"id":1}: n -> 1, sku -> "a"`, `update stock {"id":2} was {"id":1}: id 1 -> 2, n 1 -> 2`,
				`update stock {"id":1} was {"id":2}: id 2 -> 1, n 2 -> 3`, `update stock {"id":1}: n 3 -> 4`}, ""},
		{"by the key itself", raw("INSERT INTO stock VALUES (1, 'c', 1) ON DUPLICATE KEY UPDATE id = stock.id + 10"),
			[]string{`update stock {"id":11} was {"id":1}: id 1 -> 11`}, ""},
	})
	var ids []int64
	require.NoError(t, a.NewRaw("INSERT INTO stock VALUES (12, 'a', 1), (13, 'd', 1) ON DUPLICATE KEY UPDATE id = VALUES(id) RETURNING id").Scan(t.Context(), &ids))
	require.Equal(t, []int64{12, 13}, ids)
}

// Slot has a key that MariaDB prints in another form than the one it is set in.
type Slot struct {
	bun.BaseModel `bun:"table:slots,audit"`

	At    time.Time `bun:",pk"`
	Until time.Time `bun:",pk,type:timestamp(6)"`
	Day   time.Time `bun:",pk,type:date"`
	Price string    `bun:",pk,type:decimal(10,2)"`
	Room  []byte    `bun:",pk,type:binary(2)"`
	Guest uuid.UUID `bun:",pk,type:uuid"`
	Name  string    `bun:",pk,type:char(3)"`
}

func TestAKeyIsSetInAnotherFormThanTheColumnHas(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Slot)(nil)}})
	a.execute(t, "CREATE TABLE slots (at datetime(6), until timestamp(6) DEFAULT '2001-01-01', day date, price decimal(10,2), room binary(2), "+
		"guest uuid, name char(3), PRIMARY KEY (at, until, day, price, room, guest, name))")
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	slot := Slot{At: noon, Until: noon, Day: noon.Truncate(24 * time.Hour), Price: "1", Room: []byte("a"), Name: "x"}
	require.NoError(t, exec(a.NewInsert().Model(&slot).Exec(t.Context())))
	for _, set := range []string{
		"at = '2026-01-02 13:00:00'", "at = at + INTERVAL 1 DAY", "until = '2026-01-02'", "day = '2026-01-03 14:00:00'", "price = 2", "price = price * 1.555",
		"room = 'b'", "guest = 'ABCDEF00-0000-0000-0000-000000000000'", "name = 'y '",
	} {
		require.NoError(t, exec(a.NewUpdate().Model((*Slot)(nil)).Set(set).Where("1 = 1").Exec(t.Context())), set)
		events := a.events(t)
		last := events[len(events)-1]
		require.Len(t, last.Changes, 1, set)
		require.NotNil(t, last.OldKey, set)
	}
}
