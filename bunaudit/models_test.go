package bunaudit_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Post has tags by way of an audited table, and comments that may be of other
// models as well.
type Post struct {
	bun.BaseModel `bun:"table:posts"`

	ID       int64     `bun:",pk"`
	Tags     []Tag     `bun:"m2m:post_tags,join:Post=Tag"`
	Comments []Comment `bun:"rel:has-many,join:id=of_id,join:type=of_type,polymorphic"`
}

type Tag struct {
	bun.BaseModel `bun:"table:tags"`

	ID int64 `bun:",pk"`
}

type PostTag struct {
	bun.BaseModel `bun:"table:post_tags,audit"`

	PostID int64 `bun:",pk"`
	Post   *Post `bun:"rel:belongs-to,join:post_id=id"`
	TagID  int64 `bun:",pk"`
	Tag    *Tag  `bun:"rel:belongs-to,join:tag_id=id"`
	Rank   int
}

type Comment struct {
	bun.BaseModel `bun:"table:comments,audit"`

	ID     int64 `bun:",pk"`
	OfID   int64
	OfType string
	Text   string
}

func TestTablesOfRelations(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		models := []any{(*PostTag)(nil), (*Post)(nil), (*Tag)(nil), (*Comment)(nil)}
		db.RegisterModel((*PostTag)(nil))
		a := newAudited(t, db, bunaudit.Config{}, models...)
		a.RegisterModel((*PostTag)(nil))
		a.execute(t, "INSERT INTO posts (id) VALUES (1)")
		tell(t, a, []told{
			{"tag a post", func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&[]PostTag{{PostID: 1, TagID: 2}, {PostID: 1, TagID: 3}}).Exec(ctx))
			}, []string{`insert post_tags {"post_id":1,"tag_id":2}: rank -> 0`, `insert post_tags {"post_id":1,"tag_id":3}: rank -> 0`}, ""},
			{"with a condition on the other side", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*PostTag)(nil)).Set("rank = 7").
					Where("tag_id = 3 AND post_id IN (?)", db.NewSelect().Model((*Post)(nil)).Column("id")).Exec(ctx))
			}, []string{`update post_tags {"post_id":1,"tag_id":3}: rank 0 -> 7`}, ""},
			{"a key that is a relation", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*PostTag)(nil)).Set("tag_id = 4").Where("tag_id = 3").Exec(ctx))
			}, []string{`update post_tags {"post_id":1,"tag_id":4} was {"post_id":1,"tag_id":3}: tag_id 3 -> 4`}, ""},
			{"untag", func(ctx context.Context, db runner) error {
				return exec(db.NewDelete().Model((*PostTag)(nil)).Where("post_id = 1").Exec(ctx))
			}, []string{`delete post_tags {"post_id":1,"tag_id":2}: rank 0`, `delete post_tags {"post_id":1,"tag_id":4}: rank 7`}, ""},
			{"comment on a post", func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&Comment{ID: 1, OfID: 1, OfType: "post", Text: "a"}).Exec(ctx))
			}, []string{`insert comments {"id":1}: of_id -> 1, of_type -> "post", text -> "a"`}, ""},
			{"reading the post", func(ctx context.Context, db runner) error {
				var p Post
				err := db.NewSelect().Model(&p).Relation("Tags").Relation("Comments").Where("id = 1").Scan(ctx)
				require.Len(t, p.Comments, 1)
				return err
			}, nil, ""},
		})
	})
}

// Three models on one table.
type (
	Animal struct {
		bun.BaseModel `bun:"table:animals,audit"`

		ID   int64 `bun:",pk"`
		Kind string
		Name string
	}
	AnimalName struct {
		bun.BaseModel `bun:"table:animals"`

		ID   int64  `bun:",pk"`
		Name string `bun:",audit"`
	}
	AnimalKind struct { // not audited
		bun.BaseModel `bun:"table:animals"`

		ID   int64 `bun:",pk"`
		Kind string
	}
)

func TestModelsThatShareATable(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Animal)(nil)}}, (*Animal)(nil))
		tell(t, a, []told{
			{"by the audited model", func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&Animal{ID: 1, Kind: "cat", Name: "Tom"}).Exec(ctx))
			}, []string{`insert animals {"id":1}: kind -> "cat", name -> "Tom"`}, ""},
			{"by one that is not audited", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&AnimalKind{ID: 1, Kind: "lion"}).WherePK().Exec(ctx))
			}, []string{`update animals {"id":1}: kind "cat" -> "lion"`}, ""},
			{"by a map", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&map[string]any{"name": "Leo"}).TableExpr("animals").Where("id = 1").Exec(ctx))
			}, []string{`update animals {"id":1}: name "Tom" -> "Leo"`}, ""},
			{"by a map, inserted", func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&map[string]any{"id": 3, "kind": "emu"}).Table("animals").Exec(ctx))
			}, []string{`insert animals {"id":3}: kind -> "emu", name -> null`}, ""},
			{"by no model at all", func(ctx context.Context, db runner) error {
				return exec(db.NewDelete().Table("animals").Where("id = 3").Exec(ctx))
			}, []string{`delete animals {"id":3}: kind "emu", name null`}, ""},
		})
		events := len(a.events(t))
		// From here on two audited models are on the table.
		tell(t, a, []told{
			{"by the one", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&AnimalName{ID: 1, Name: "Rex"}).WherePK().Exec(ctx))
			}, []string{`update animals {"id":1}: name "Leo" -> "Rex"`}, ""},
			{"by the other", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&Animal{ID: 1, Kind: "ape", Name: "Rex"}).WherePK().Exec(ctx))
			}, []string{`update animals {"id":1}: kind "lion" -> "ape"`}, ""},
			{"by neither", raw("UPDATE animals SET name = 'x'"), nil, "several audited models share the table"},
			{"by the third", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&AnimalKind{ID: 1, Kind: "x"}).WherePK().Exec(ctx))
			}, nil, "several audited models share the table"},
		}, a.story(t)...)
		require.Equal(t, "AnimalName", a.events(t)[events].Model)
		require.Equal(t, "Animal", a.events(t)[events+1].Model)
	})
}

// Names that look like something else.
func TestATableThatIsNamedInOtherWays(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{}, (*Item)(nil))
		quoted := func(text string) string {
			if onMariaDB(db) {
				return strings.ReplaceAll(text, `"`, "`")
			}
			return text
		}
		a.execute(t, quoted(`CREATE TABLE "odd.items; DELETE" (id bigint PRIMARY KEY, name text)`))
		as := " AS item"
		if onMariaDB(db) {
			as = "" // its DELETE takes none
		}
		insert := func(id int64) *Item { return &Item{ID: id, Name: "a"} }
		steps := []told{
			{"a dot and a space in the name", func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(insert(1)).ModelTableExpr(quoted(`"odd.items; DELETE"`)).Exec(ctx))
			}, []string{`insert odd.items; DELETE {"id":1}: name -> "a"`}, ""},
			{"and updated under another alias", func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Item)(nil)).ModelTableExpr(quoted(`"odd.items; DELETE" AS "where"`)).Set("name = 'b'").
					Where(quoted(`"where".id = 1`)).Exec(ctx))
			}, []string{`update odd.items; DELETE {"id":1}: name "a" -> "b"`}, ""},
			{"and deleted", func(ctx context.Context, db runner) error {
				return exec(db.NewDelete().Model((*Item)(nil)).ModelTableExpr(quoted(`"odd.items; DELETE"` + as)).Where("TRUE").Exec(ctx))
			}, []string{`delete odd.items; DELETE {"id":1}: name "b"`}, ""},
			{"in capitals", raw(map[bool]string{false: "INSERT INTO ITEMS (ID, NAME) VALUES (3, 'c')", true: "INSERT INTO items (ID, NAME) VALUES (3, 'c')"}[onMariaDB(db)]), []string{`insert items {"id":3}: name -> "c"`}, ""},
			{"with its schema", raw("UPDATE ?.items AS i SET name = 'd' WHERE i.id = 3", bun.Ident(schemaOf(db))), []string{`update items {"id":3}: name "c" -> "d"`}, ""},
		}
		switch db.Backend {
		case testdb.SQLite:
			steps = append(steps, told{"in brackets", raw("UPDATE [main].`Items` SET [name] = 'e'"), []string{`update items {"id":3}: name "d" -> "e"`}, ""})
		case testdb.Postgres:
			steps = append(steps, told{"by code points", raw(`UPDATE U&"\0069tems" SET name = $$e$$`), nil, "can't be taken apart"})
		}
		tell(t, a, steps)
	})
}

func schemaOf(db *testdb.DB) string {
	if db.Schema == "" {
		return "main"
	}
	return db.Schema
}

func TestATableThatOthersInheritFrom(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Item)(nil)}}, (*Item)(nil))
		a.execute(t, "CREATE TABLE special_items (extra text) INHERITS (items); INSERT INTO special_items VALUES (1, 'special', 'x')")
		tell(t, a, []told{
			{"both", raw("UPDATE items SET name = name || '!'"), []string{`update items {"id":1}: name "special" -> "special!"`}, ""},
			{"the parent only", raw("UPDATE ONLY items SET name = 'x'"), nil, ""},
			{"insert into the parent", raw("INSERT INTO items VALUES (2, 'plain')"), []string{`insert items {"id":2}: name -> "plain"`}, ""},
			{"by a join", raw("UPDATE items SET name = v.n FROM (VALUES (1, 'one'), (2, 'two')) AS v (id, n) WHERE v.id = items.id"),
				[]string{`update items {"id":1}: name "special!" -> "one"`, `update items {"id":2}: name "plain" -> "two"`}, ""},
			{"upsert", raw("INSERT INTO items VALUES (2, '2'), (3, '3') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name"),
				[]string{`update items {"id":2}: name "two" -> "2"`, `insert items {"id":3}: name -> "3"`}, ""},
			{"delete", raw("DELETE FROM items WHERE id <> 3"), []string{`delete items {"id":1}: name "one"`, `delete items {"id":2}: name "2"`}, ""},
		})
		// The key is unique in each of the tables, and not in all of them.
		a.execute(t, "INSERT INTO special_items VALUES (3, 'twin', 'x')")
		// PostgreSQL 18 tells within the statement which of them is which.
		separate := newAudited(t, db, bunaudit.Config{Models: []any{(*Item)(nil)}, SeparateStatements: true})
		err := raw("UPDATE items SET name = name || '?'")(t.Context(), separate)
		var notRecorded *bunaudit.NotRecordedError
		require.ErrorAs(t, err, &notRecorded)
		require.ErrorContains(t, err, "two rows have the same key")
	})
}
