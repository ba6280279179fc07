package bunaudit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Article has columns that the database fills.
type Article struct {
	bun.BaseModel `bun:"table:articles,audit"`

	ID     int64  `bun:",pk,autoincrement"`
	Title  string `bun:",nullzero,default:'untitled'"`
	Price  int64
	Double *int64 `bun:",nullzero,default:'computed'"` // never written, see below
}

func TestColumnsThatTheDatabaseFills(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Article)(nil)}})
		id := map[string]string{testdb.Postgres: "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", testdb.SQLite: "integer PRIMARY KEY",
			testdb.MariaDB: "bigint AUTO_INCREMENT PRIMARY KEY"}[db.Backend]
		_, err := db.NewRaw("CREATE TABLE articles (id "+id+", title varchar(20) NOT NULL DEFAULT 'untitled', price bigint, "+
			"? bigint GENERATED ALWAYS AS (price * 2) STORED)", bun.Ident("double")).Exec(t.Context())
		require.NoError(t, err)
		var story []string
		for _, s := range []told{
			{"defaults, and what is computed", func(ctx context.Context, db runner) error {
				article := &Article{Price: 1}
				err := exec(db.NewInsert().Model(article).ExcludeColumn("title", "double").Returning("*").Exec(ctx))
				require.Equal(t, "untitled", article.Title)
				return err
			}, []string{`insert articles {"id":1}: double -> 2, price -> 1, title -> "untitled"`}, ""},
			{"nothing but defaults", raw(map[bool]string{false: "INSERT INTO articles DEFAULT VALUES", true: "INSERT INTO articles () VALUES ()"}[onMariaDB(db)]),
				[]string{`insert articles {"id":2}: double -> null, price -> null, title -> "untitled"`}, ""},
			{"what is computed follows", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&Article{ID: 1, Price: 5}).Column("price").WherePK().Exec(ctx))
			}, []string{`update articles {"id":1}: double 2 -> 10, price 1 -> 5`}, ""},
		} {
			require.NoError(t, s.run(t.Context(), a), s.name)
			story = append(story, s.want...)
			require.Equal(t, story, a.story(t), s.name)
		}
		if db.Backend != testdb.SQLite {
			tell(t, a, []told{{"back to the default", raw("UPDATE articles SET title = DEFAULT, price = DEFAULT WHERE id = 1"),
				[]string{`update articles {"id":1}: double 10 -> null, price 5 -> null`}, ""}}, story...)
		}
	})
}

// A BEFORE trigger has the last word on what a row becomes, its key as well.
func TestBeforeTriggersThatChangeWhatIsWritten(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Item)(nil)}}, (*Item)(nil))
		a.execute(t, `CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN IF OLD.name = 'kept' THEN RETURN NULL; END IF; RETURN OLD; END IF;
	IF NEW.name = 'kept out' THEN RETURN NULL; END IF;
	NEW.name := upper(NEW.name);
	IF NEW.name = 'MOVE' THEN NEW.id := NEW.id + 100; END IF;
	IF NEW.name = 'KEEP' THEN NEW.name := 'kept'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER tidy BEFORE INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION tidy()`)
		upsert := func(rows ...Item) func(context.Context, runner) error {
			return func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&rows).On("CONFLICT (id) DO UPDATE").Set("name = EXCLUDED.name").Exec(ctx))
			}
		}
		tell(t, a, []told{
			{"insert", raw("INSERT INTO items VALUES (1, 'a'), (2, 'kept out'), (3, 'move'), (4, 'keep')"), []string{
				`insert items {"id":1}: name -> "A"`, `insert items {"id":103}: name -> "MOVE"`, `insert items {"id":4}: name -> "kept"`}, ""},
			{"update to what it is", raw("UPDATE items SET name = 'a' WHERE id = 1"), nil, ""},
			{"update that is kept out", raw("UPDATE items SET name = 'kept out'"), nil, ""},
			{"update that changes the key", raw("UPDATE items SET name = 'move' WHERE id = 1"),
				[]string{`update items {"id":101} was {"id":1}: id 1 -> 101, name "A" -> "MOVE"`}, ""},
			{"upsert", upsert(Item{ID: 4, Name: "x"}, Item{ID: 5, Name: "y"}, Item{ID: 6, Name: "kept out"}),
				[]string{`update items {"id":4}: name "kept" -> "X"`, `insert items {"id":5}: name -> "Y"`}, ""},
			{"delete of one that is kept", raw("UPDATE items SET name = 'keep' WHERE id = 5"), []string{`update items {"id":5}: name "Y" -> "kept"`}, ""},
			{"delete", raw("DELETE FROM items WHERE id IN (4, 5)"), []string{`delete items {"id":4}: name "X"`}, ""},
		})
		// Which of two rows came back under which key can't be told from outside of
		// the statement, other than from within.
		require.NoError(t, raw("INSERT INTO items VALUES (8, 'a'), (9, 'b'), (28, 'a'), (29, 'b')")(t.Context(), a))
		if db.Variant != separately {
			require.NoError(t, raw("UPDATE items SET name = 'move' WHERE id IN (28, 29)")(t.Context(), a))
			moved := a.story(t)
			require.ElementsMatch(t, []string{`update items {"id":128} was {"id":28}: id 28 -> 128, name "A" -> "MOVE"`,
				`update items {"id":129} was {"id":29}: id 29 -> 129, name "B" -> "MOVE"`}, moved[len(moved)-2:])
		}
		separate := newAudited(t, db, bunaudit.Config{Models: []any{(*Item)(nil)}, SeparateStatements: true})
		err := raw("UPDATE items SET name = 'move' WHERE id IN (8, 9)")(t.Context(), separate)
		var notRecorded *bunaudit.NotRecordedError
		require.ErrorAs(t, err, &notRecorded)
		require.ErrorContains(t, err, "did a trigger change its primary key?")
		var left int
		require.NoError(t, db.NewRaw("SELECT count(*) FROM items WHERE id IN (8, 9)").Scan(t.Context(), &left))
		require.Equal(t, 2, left)
	})
}

// What the policies of a table hide from a user is neither changed nor recorded.
func TestRowLevelSecurity(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Item)(nil)}}, (*Item)(nil))
		role := db.Schema + "_tenant"
		a.execute(t, `INSERT INTO items VALUES (1, 'mine'), (2, 'theirs');
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE ROLE `+role+`;
CREATE POLICY tenant ON items USING (name LIKE 'mine%');
GRANT USAGE ON SCHEMA `+db.Schema+` TO `+role+`;
GRANT SELECT, INSERT, UPDATE, DELETE ON items TO `+role+`;
GRANT INSERT ON audit_events TO `+role)
		t.Cleanup(func() {
			for _, s := range []string{"DROP OWNED BY ", "DROP ROLE "} {
				_, err := db.ExecContext(context.WithoutCancel(t.Context()), s+role)
				require.NoError(t, err)
			}
		})
		as := func(f func(context.Context, runner) error) func(context.Context, runner) error {
			return func(ctx context.Context, db runner) error {
				return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					if _, err := tx.ExecContext(ctx, "SET LOCAL ROLE "+role); err != nil {
						return err
					}
					return f(ctx, tx)
				})
			}
		}
		tell(t, a, []told{
			{"update", as(raw("UPDATE items SET name = name || '!'")), []string{`update items {"id":1}: name "mine" -> "mine!"`}, ""},
			{"update by a join", as(raw("UPDATE items SET name = items.name || v.x FROM (VALUES ('?')) AS v (x)")),
				[]string{`update items {"id":1}: name "mine!" -> "mine!?"`}, ""},
			{"upsert", as(raw("INSERT INTO items VALUES (1, 'mine'), (3, 'mine too') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name")),
				[]string{`update items {"id":1}: name "mine!?" -> "mine"`, `insert items {"id":3}: name -> "mine too"`}, ""},
			{"delete", as(raw("DELETE FROM items")), []string{`delete items {"id":1}: name "mine"`, `delete items {"id":3}: name "mine too"`}, ""},
		})
		err := as(raw("INSERT INTO items VALUES (4, 'theirs')"))(t.Context(), a)
		require.ErrorContains(t, err, "row-level security")
		err = as(raw("INSERT INTO items VALUES (2, 'mine now') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name"))(t.Context(), a)
		require.ErrorContains(t, err, "row-level security")
	})
}

// Ahead has a column that the table doesn't have yet: the program is newer than
// the database. What could be of it on record would be made up.
type Ahead struct {
	bun.BaseModel `bun:"table:ahead,audit"`

	ID  int64  `bun:",pk"`
	New string `bun:",nullzero"`
}

func TestAColumnThatTheTableLacksIsNotMadeUp(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Ahead)(nil)}})
		_, err := db.NewRaw("CREATE TABLE ahead (id bigint PRIMARY KEY)").Exec(t.Context())
		require.NoError(t, err)
		_, err = db.NewRaw("INSERT INTO ahead (id) VALUES (1)").Exec(t.Context())
		require.NoError(t, err)
		statements := []string{
			"INSERT INTO ahead (id) VALUES (2)", "INSERT INTO ahead (id) VALUES (1), (2) ON CONFLICT DO NOTHING",
			"INSERT INTO ahead (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id", "UPDATE ahead SET id = 2", "DELETE FROM ahead",
		}
		if onMariaDB(db) {
			statements = []string{"INSERT INTO ahead (id) VALUES (2)", "REPLACE INTO ahead (id) VALUES (1)", "UPDATE ahead SET id = 2", "DELETE FROM ahead"}
		}
		for _, statement := range statements {
			_, err := a.NewRaw(statement).Exec(t.Context())
			var lost *bunaudit.NotRecordedError
			require.ErrorAs(t, err, &lost, statement)
			require.ErrorContains(t, err, "new", statement)
			var ids []int64
			require.NoError(t, db.NewRaw("SELECT id FROM ahead").Scan(t.Context(), &ids))
			require.Equal(t, []int64{1}, ids, statement)
		}
		require.Empty(t, a.story(t))
		_, err = db.NewRaw("ALTER TABLE ahead ADD ? varchar(20)", bun.Ident("new")).Exec(t.Context())
		require.NoError(t, err)
		_, err = a.NewDelete().Model(&Ahead{ID: 1}).WherePK().Exec(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{`delete ahead {"id":1}: new null`}, a.story(t))
	})
}
