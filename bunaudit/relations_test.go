package bunaudit_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Parcel has a key of two columns, one of which decides on the partition.
type Parcel struct {
	bun.BaseModel `bun:"table:parcels,audit"`

	ID     int64  `bun:",pk"`
	Region string `bun:",pk"`
	N      int
}

// Item is what a view shows of a table, or what another server has.
type Item struct {
	bun.BaseModel `bun:"table:items,audit"`

	ID   int64 `bun:",pk"`
	Name string
}

// told is a statement, and what the record has to say of it.
type told struct {
	name string
	run  func(ctx context.Context, db runner) error
	want []string
	// reason, of a statement that is refused, is in its error.
	reason string
}

func raw(text string, args ...any) func(context.Context, runner) error {
	return func(ctx context.Context, db runner) error { return exec(db.NewRaw(text, args...).Exec(ctx)) }
}

// tell runs the statements in order, each first in a transaction that is rolled
// back, and then on the pool. The record starts with story.
func tell(t *testing.T, a *audited, steps []told, story ...string) {
	t.Helper()
	for _, s := range steps {
		ctx := deadline(t)
		for _, rolledBack := range []bool{true, false} {
			var err error
			if rolledBack {
				tx, beginErr := a.BeginTx(ctx, nil)
				require.NoError(t, beginErr)
				err = s.run(ctx, tx)
				require.NoError(t, tx.Rollback())
			} else {
				err = s.run(ctx, a.DB)
				story = append(story, s.want...)
			}
			if s.reason == "" {
				require.NoError(t, err, s.name)
			} else {
				var refused *bunaudit.UncapturableError
				require.ErrorAs(t, err, &refused, s.name)
				require.Contains(t, refused.Reason, s.reason, s.name)
			}
			require.ElementsMatch(t, story, a.story(t), s.name)
		}
	}
}

// execute runs statements past the audit.
func (a *audited) execute(t *testing.T, statements string) {
	t.Helper()
	_, err := a.plain.ExecContext(t.Context(), statements)
	require.NoError(t, err)
}

func TestAPartitionedTable(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{})
		a.execute(t, `CREATE TABLE parcels (id bigint, region text, n int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parcels_eu PARTITION OF parcels FOR VALUES IN ('eu');
CREATE TABLE parcels_us PARTITION OF parcels FOR VALUES IN ('us')`)
		upsert := func(rows ...Parcel) func(context.Context, runner) error {
			return func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&rows).On("CONFLICT (id, region) DO UPDATE").Set("n = EXCLUDED.n").Exec(ctx))
			}
		}
		tell(t, a, []told{
			{"insert into two partitions", func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&[]Parcel{{ID: 1, Region: "eu", N: 1}, {ID: 2, Region: "us", N: 2}}).Exec(ctx))
			}, []string{`insert parcels {"id":1,"region":"eu"}: n -> 1`, `insert parcels {"id":2,"region":"us"}: n -> 2`}, ""},
			{"move a row to another partition", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Parcel)(nil)).Set("region = 'us'").Where("id = 1").Exec(ctx))
			}, []string{`update parcels {"id":1,"region":"us"} was {"id":1,"region":"eu"}: region "eu" -> "us"`}, ""},
			{"move many rows and change them", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Parcel)(nil)).Set("region = 'eu', n = n + 10").Where("TRUE").Exec(ctx))
			}, []string{
				`update parcels {"id":1,"region":"eu"} was {"id":1,"region":"us"}: n 1 -> 11, region "us" -> "eu"`,
				`update parcels {"id":2,"region":"eu"} was {"id":2,"region":"us"}: n 2 -> 12, region "us" -> "eu"`,
			}, ""},
			{"update by a join", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Parcel)(nil)).TableExpr("(SELECT 2 AS id) AS p").Set("n = n + 1").Where("p.id = parcel.id").Exec(ctx))
			}, []string{`update parcels {"id":2,"region":"eu"}: n 12 -> 13`}, ""},
			{"upsert that finds, inserts, and changes nothing",
				upsert(Parcel{ID: 1, Region: "eu", N: 5}, Parcel{ID: 1, Region: "us", N: 6}, Parcel{ID: 2, Region: "eu", N: 13}),
				[]string{`update parcels {"id":1,"region":"eu"}: n 11 -> 5`, `insert parcels {"id":1,"region":"us"}: n -> 6`}, ""},
			{"delete across partitions", func(ctx context.Context, db runner) error {
				return exec(db.NewDelete().Model((*Parcel)(nil)).Where("id = 1").Exec(ctx))
			}, []string{`delete parcels {"id":1,"region":"eu"}: n 5`, `delete parcels {"id":1,"region":"us"}: n 6`}, ""},
			{"truncate", func(ctx context.Context, db runner) error {
				return exec(db.NewTruncateTable().Model((*Parcel)(nil)).Exec(ctx))
			}, []string{`truncate parcels null`}, ""},
		})
		a.execute(t, "DELETE FROM audit_events")
		requireChainOfUpserts(t, a, func(ctx context.Context, i int) error {
			return exec(a.NewInsert().Model(&Parcel{ID: int64(i % 3), Region: "us", N: 1}).On("CONFLICT (id, region) DO UPDATE").
				Set("n = parcel.n + 1").Exec(ctx))
		})
	})
}

// Of a model whose table has no rows of its own, what can't be told of
// them is refused with a reason, not with the database's word on a system column.
func TestAView(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{})
		a.execute(t, `CREATE TABLE all_items (id bigint PRIMARY KEY, name text, hidden bool NOT NULL DEFAULT false);
CREATE VIEW items AS SELECT id, name FROM all_items WHERE NOT hidden`)
		tell(t, a, itemStatements("a view or a foreign table"))
	})
}

func TestAViewOfSQLite(t *testing.T) {
	db := testdb.New(t, testdb.SQLite)
	a := newAudited(t, db, bunaudit.Config{})
	a.execute(t, `CREATE TABLE all_items (id integer PRIMARY KEY, name text);
CREATE VIEW items AS SELECT id, name FROM all_items;
CREATE TRIGGER put INSTEAD OF INSERT ON items BEGIN INSERT INTO all_items VALUES (NEW.id, NEW.name); END;
CREATE TRIGGER set_name INSTEAD OF UPDATE ON items BEGIN UPDATE all_items SET name = NEW.name WHERE id = NEW.id; END;
CREATE TRIGGER remove INSTEAD OF DELETE ON items BEGIN DELETE FROM all_items WHERE id = OLD.id; END`)
	tell(t, a, []told{
		{"insert", func(ctx context.Context, db runner) error {
			return exec(db.NewInsert().Model(&Item{ID: 1, Name: "a"}).Exec(ctx))
		}, []string{`insert items {"id":1}: name -> "a"`}, ""},
		{"update", raw("UPDATE items SET name = 'b' WHERE id = 1"), []string{`update items {"id":1}: name "a" -> "b"`}, ""},
		{"delete", raw("DELETE FROM items WHERE id = 1"), []string{`delete items {"id":1}: name "b"`}, ""},
	})
}

func TestAForeignTable(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{})
		if _, err := db.ExecContext(t.Context(), "CREATE EXTENSION IF NOT EXISTS postgres_fdw"); err != nil {
			t.Skip("the server has no postgres_fdw: ", err)
		}
		u, err := url.Parse(db.DSN)
		require.NoError(t, err)
		password, _ := u.User.Password()
		a.execute(t, strings.NewReplacer("$schema", db.Schema, "$host", u.Hostname(), "$port", u.Port(), "$user", u.User.Username(),
			"$password", password, "$database", strings.TrimPrefix(u.Path, "/")).Replace(`CREATE TABLE all_items (id bigint PRIMARY KEY, name text);
CREATE SERVER $schema FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname '$database');
CREATE USER MAPPING FOR CURRENT_USER SERVER $schema OPTIONS (user '$user', password '$password');
CREATE FOREIGN TABLE items (id bigint, name text) SERVER $schema OPTIONS (schema_name '$schema', table_name 'all_items')`))
		t.Cleanup(func() {
			_, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP SERVER "+db.Schema+" CASCADE")
			require.NoError(t, err)
		})
		tell(t, a, itemStatements("a view or a foreign table"))
	})
}

// itemStatements are one of each kind; an upsert is refused with this reason.
func itemStatements(reason string) []told {
	return []told{
		{"insert", func(ctx context.Context, db runner) error {
			return exec(db.NewInsert().Model(&[]Item{{ID: 1, Name: "a"}, {ID: 2, Name: "b"}}).Exec(ctx))
		}, []string{`insert items {"id":1}: name -> "a"`, `insert items {"id":2}: name -> "b"`}, ""},
		{"update by key", func(ctx context.Context, db runner) error {
			return exec(db.NewUpdate().Model(&Item{ID: 1, Name: "c"}).WherePK().Exec(ctx))
		}, []string{`update items {"id":1}: name "a" -> "c"`}, ""},
		{"update by an expression", func(ctx context.Context, db runner) error {
			return exec(db.NewUpdate().Model((*Item)(nil)).Set("name = name || '!'").Where("TRUE").Exec(ctx))
		}, []string{`update items {"id":1}: name "c" -> "c!"`, `update items {"id":2}: name "b" -> "b!"`}, ""},
		{"update by a join", func(ctx context.Context, db runner) error {
			return exec(db.NewUpdate().Model((*Item)(nil)).TableExpr("(SELECT 2 AS id) AS p").Set("name = 'joined'").Where("p.id = item.id").Exec(ctx))
		}, []string{`update items {"id":2}: name "b!" -> "joined"`}, ""},
		{"change a key", func(ctx context.Context, db runner) error {
			return exec(db.NewUpdate().Model((*Item)(nil)).Set("id = 3").Where("id = 2").Exec(ctx))
		}, []string{`update items {"id":3} was {"id":2}: id 2 -> 3`}, ""},
		{"upsert", func(ctx context.Context, db runner) error {
			return exec(db.NewInsert().Model(&Item{ID: 1, Name: "u"}).On("CONFLICT (id) DO UPDATE").Set("name = EXCLUDED.name").Exec(ctx))
		}, nil, reason},
		{"delete", func(ctx context.Context, db runner) error {
			return exec(db.NewDelete().Model(&Item{ID: 1}).WherePK().Exec(ctx))
		}, []string{`delete items {"id":1}: name "c!"`}, ""},
	}
}
