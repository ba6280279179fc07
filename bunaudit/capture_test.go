package bunaudit_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

type Customer struct {
	bun.BaseModel `bun:"table:customers,audit"`

	ID    int64  `bun:",pk,autoincrement"`
	Name  string `bun:",notnull"`
	Email string `bun:",nullzero"`
	Score int
}

// Note is soft-deleted, and tracks one column only.
type Note struct {
	bun.BaseModel `bun:"table:notes"`

	ID        int64  `bun:",pk,autoincrement"`
	Text      string `bun:",audit"`
	Draft     string
	DeletedAt time.Time `bun:",soft_delete,nullzero"`
}

// runner is where statements run: a pool, a transaction, a connection.
type runner = bun.IDB

func TestStatementsAreRecordedRowByRow(t *testing.T) {
	t.Parallel()
	type step struct {
		name string
		run  func(ctx context.Context, db runner) error
		want []string
	}
	steps := []step{
		{"insert a struct, with a generated key", func(ctx context.Context, db runner) error {
			c := &Customer{Name: "Jane Doe", Score: 1}
			_, err := db.NewInsert().Model(c).Exec(ctx)
			if err == nil && c.ID != 1 {
				return sql.ErrNoRows
			}
			return err
		}, []string{`insert customers {"id":1}: email -> null, name -> "Jane Doe", score -> 1`}},
		{"insert a slice", func(ctx context.Context, db runner) error {
			cs := []*Customer{{Name: "John"}, {Name: "Ann", Email: "ann@x.org"}}
			_, err := db.NewInsert().Model(&cs).Exec(ctx)
			if err == nil && (cs[0].ID != 2 || cs[1].ID != 3) {
				return sql.ErrNoRows
			}
			return err
		}, []string{
			`insert customers {"id":2}: email -> null, name -> "John", score -> 0`,
			`insert customers {"id":3}: email -> "ann@x.org", name -> "Ann", score -> 0`,
		}},
		{"update by key", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model(&Customer{ID: 1, Name: "Jane Smith", Score: 1}).WherePK().Exec(ctx)
			return err
		}, []string{`update customers {"id":1}: name "Jane Doe" -> "Jane Smith"`}},
		{"update one column", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model(&Customer{ID: 1, Name: "ignored", Score: 7}).Column("score").WherePK().Exec(ctx)
			return err
		}, []string{`update customers {"id":1}: score 1 -> 7`}},
		{"exclude a column", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model(&Customer{ID: 1, Name: "J", Score: 8}).ExcludeColumn("name").WherePK().Exec(ctx)
			return err
		}, []string{`update customers {"id":1}: score 7 -> 8`}},
		{"omit zero values", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model(&Customer{ID: 1, Email: "j@x.org"}).OmitZero().WherePK().Exec(ctx)
			return err
		}, []string{`update customers {"id":1}: email null -> "j@x.org"`}},
		{"set by an expression, by condition", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id <= ?", 2).Exec(ctx)
			return err
		}, []string{`update customers {"id":1}: score 8 -> 9`, `update customers {"id":2}: score 0 -> 1`}},
		{"an update that changes nothing", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("score = score").Where("TRUE").Exec(ctx)
			return err
		}, nil},
		{"an update that finds nothing", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("score = 1").Where("id = 77").Exec(ctx)
			return err
		}, nil},
		{"update with RETURNING and a destination", func(ctx context.Context, db runner) error {
			var names []string
			q := db.NewUpdate().Model((*Customer)(nil)).Set("name = concat(name, '!')").Where("id = 3")
			if onMariaDB(db) { // whose UPDATE has none
				return exec(q.Exec(ctx))
			}
			_, err := q.Returning("name").Exec(ctx, &names)
			if err == nil && (len(names) != 1 || names[0] != "Ann!") {
				return sql.ErrNoRows
			}
			return err
		}, []string{`update customers {"id":3}: name "Ann" -> "Ann!"`}},
		{"update with RETURNING * into the model", func(ctx context.Context, db runner) error {
			c := &Customer{ID: 3, Name: "Anna"}
			_, err := db.NewUpdate().Model(c).Column("name").WherePK().Returning("*").Exec(ctx)
			if err == nil && c.Email != "ann@x.org" && !onMariaDB(db) {
				return sql.ErrNoRows
			}
			return err
		}, []string{`update customers {"id":3}: name "Ann!" -> "Anna"`}},
		{"change a primary key", func(ctx context.Context, db runner) error {
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("id = 30").Where("id = 3").Exec(ctx)
			return err
		}, []string{`update customers {"id":30} was {"id":3}: id 3 -> 30`}},
		{"change the primary keys of several rows", func(ctx context.Context, db runner) error {
			if _, err := db.NewUpdate().Model((*Customer)(nil)).Set("id = -id").Where("id <= 2").Exec(ctx); err != nil {
				return err
			}
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("id = -id, score = score + 1").Where("id < 0").Exec(ctx)
			return err
		}, []string{
			`update customers {"id":-1} was {"id":1}: id 1 -> -1`,
			`update customers {"id":-2} was {"id":2}: id 2 -> -2`,
			`update customers {"id":1} was {"id":-1}: id -1 -> 1, score 9 -> 10`,
			`update customers {"id":2} was {"id":-2}: id -2 -> 2, score 1 -> 2`,
		}},
		{"raw SQL through NewRaw", func(ctx context.Context, db runner) error {
			_, err := db.NewRaw("update customers set score = ? where name like 'J%'", 5).Exec(ctx)
			return err
		}, []string{`update customers {"id":1}: score 10 -> 5`, `update customers {"id":2}: score 2 -> 5`}},
		{"delete by key", func(ctx context.Context, db runner) error {
			_, err := db.NewDelete().Model(&Customer{ID: 30}).WherePK().Exec(ctx)
			return err
		}, []string{`delete customers {"id":30}: email "ann@x.org", name "Anna", score 0`}},
		{"delete by condition, returning", func(ctx context.Context, db runner) error {
			var gone []Customer
			_, err := db.NewDelete().Model((*Customer)(nil)).Where("score = 5").Returning("*").Exec(ctx, &gone)
			if err == nil && len(gone) != 2 {
				return sql.ErrNoRows
			}
			return err
		}, []string{
			`delete customers {"id":1}: email "j@x.org", name "Jane Smith", score 5`,
			`delete customers {"id":2}: email null, name "John", score 5`,
		}},
		{"insert, soft delete and restore", func(ctx context.Context, db runner) error {
			n := &Note{Text: "a", Draft: "b"}
			if _, err := db.NewInsert().Model(n).Exec(ctx); err != nil {
				return err
			}
			if _, err := db.NewUpdate().Model(n).Set("draft = 'untracked'").WherePK().Exec(ctx); err != nil {
				return err
			}
			if _, err := db.NewDelete().Model(n).WherePK().Exec(ctx); err != nil {
				return err
			}
			if _, err := db.NewUpdate().Model(n).Set("deleted_at = NULL").WherePK().WhereAllWithDeleted().Exec(ctx); err != nil {
				return err
			}
			_, err := db.NewDelete().Model(n).WherePK().ForceDelete().Exec(ctx)
			return err
		}, []string{
			`insert notes {"id":1}: text -> "a"`,
			`soft delete notes {"id":1}`,
			`soft restore notes {"id":1}`,
			`delete notes {"id":1}: text "a"`,
		}},
	}
	places := map[string]func(t *testing.T, a *audited, f func(ctx context.Context, db runner) error) error{
		"on the pool": func(t *testing.T, a *audited, f func(context.Context, runner) error) error {
			return f(t.Context(), a.DB)
		},
		"in RunInTx": func(t *testing.T, a *audited, f func(context.Context, runner) error) error {
			return a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return f(ctx, tx) })
		},
		"in BeginTx, with the caller's own context": func(t *testing.T, a *audited, f func(context.Context, runner) error) error {
			tx, err := a.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			if err := f(t.Context(), tx); err != nil {
				return err
			}
			return tx.Commit()
		},
		"in a savepoint": func(t *testing.T, a *audited, f func(context.Context, runner) error) error {
			return a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
				return tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error { return f(ctx, sp) })
			})
		},
		"on a bun.Conn": func(t *testing.T, a *audited, f func(context.Context, runner) error) error {
			conn, err := a.Conn(t.Context())
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close()) }()
			return f(t.Context(), conn)
		},
		"on a bun.Conn, in a transaction begun by hand": func(t *testing.T, a *audited, f func(context.Context, runner) error) error {
			conn, err := a.Conn(t.Context())
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close()) }()
			_, err = conn.ExecContext(t.Context(), "BEGIN")
			require.NoError(t, err)
			if err := f(t.Context(), conn); err != nil {
				return err
			}
			_, err = conn.ExecContext(t.Context(), "COMMIT")
			return err
		},
	}
	for name, run := range places {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{Actor: jane}, (*Customer)(nil), (*Note)(nil))
				var want []string
				for _, s := range steps {
					require.NoError(t, run(t, a, s.run), s.name)
					want = append(want, s.want...)
					require.ElementsMatch(t, want, a.story(t), s.name) // rows of a statement come in no order
				}
			})
		})
	}
}
