package bunaudit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Vault can't be written where there is no hook.
type Vault struct {
	bun.BaseModel `bun:"table:vaults,audit"`
	bunaudit.Model

	ID   int64 `bun:",pk,autoincrement"`
	Name string
}

// Safe has a hook of its own, which calls the embedded one.
type Safe struct {
	bun.BaseModel `bun:"table:vaults,audit,audit_label:Safe"`
	bunaudit.Model

	ID   int64 `bun:",pk,autoincrement"`
	Name string
}

func (s *Safe) BeforeAppendModel(ctx context.Context, q schema.Query) error {
	if _, ok := q.(*bun.InsertQuery); ok {
		s.Name += " (made safe)"
	}
	return s.Model.BeforeAppendModel(ctx, q)
}

var guardedWrites = map[string]func(ctx context.Context, db runner) error{
	"insert a struct": func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Vault{Name: "a"}).Exec(ctx))
	},
	"insert a slice": func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&[]*Vault{{Name: "a"}, {Name: "b"}}).Exec(ctx))
	},
	"insert, scanned": func(ctx context.Context, db runner) error {
		var id int64
		return db.NewInsert().Model(&Vault{Name: "a"}).Returning("id").Scan(ctx, &id)
	},
	"insert by a model with a hook of its own": func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Safe{Name: "a"}).Exec(ctx))
	},
	"update a struct": func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model(&Vault{ID: 1, Name: "b"}).WherePK().Exec(ctx))
	},
	"update without a model's value": func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Vault)(nil)).Set("name = concat(name, 'c')").Where("id = 1").Exec(ctx))
	},
	"update in bulk": func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model(&[]*Vault{{ID: 1, Name: "bulk"}}).Bulk().Exec(ctx))
	},
	"update, scanned": func(ctx context.Context, db runner) error {
		var names []string
		return db.NewUpdate().Model((*Vault)(nil)).Set("name = concat(name, 'c')").Where("id = 1").Returning("name").Scan(ctx, &names)
	},
	"delete without a model's value": func(ctx context.Context, db runner) error {
		return exec(db.NewDelete().Model((*Vault)(nil)).Where("id = 2").Exec(ctx))
	},
	"delete a slice": func(ctx context.Context, db runner) error {
		return exec(db.NewDelete().Model(&[]Vault{{ID: 3}}).WherePK().Exec(ctx))
	},
}

// guardedPlaces are where a write is held back.
var guardedPlaces = map[string]func(t *testing.T, ctx context.Context, db *bun.DB, f func(db runner)){
	"on the pool": func(_ *testing.T, _ context.Context, db *bun.DB, f func(runner)) { f(db) },
	"in a transaction": func(t *testing.T, ctx context.Context, db *bun.DB, f func(runner)) {
		require.NoError(t, db.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { f(tx); return nil }))
	},
	"on a bun.Conn": func(t *testing.T, ctx context.Context, db *bun.DB, f func(runner)) {
		conn, err := db.Conn(ctx)
		require.NoError(t, err)
		defer conn.Close()
		f(conn)
	},
}

func vaults(t *testing.T, db *testdb.DB) []Vault {
	t.Helper()
	var found []Vault
	require.NoError(t, db.NewSelect().Model(&found).Order("id").Scan(t.Context()))
	return found
}

func TestAGuardedModelIsWrittenOnlyWhereItIsRecorded(t *testing.T) {
	t.Parallel()
	for place, in := range guardedPlaces {
		t.Run(place, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				for name, write := range guardedWrites {
					t.Run(name, func(t *testing.T) {
						if onMariaDB(db) && (name == "update in bulk" || name == "update, scanned") {
							t.Skip("Bun's SQL for it is none that MariaDB takes")
						}
						testGuard(t, db, write, in)
					})
				}
			})
		})
	}
}

func testGuard(t *testing.T, db *testdb.DB, write func(context.Context, runner) error, in func(*testing.T, context.Context, *bun.DB, func(runner))) {
	ctx := deadline(t)
	a := newAudited(t, db, bunaudit.Config{}, (*Vault)(nil))
	renew(t, db, "vaults")
	_, err := a.NewInsert().Model(&[]Vault{{Name: "1"}, {Name: "2"}, {Name: "3"}}).Exec(ctx)
	require.NoError(t, err)
	before, events := vaults(t, db), len(a.events(t))

	in(t, ctx, db.DB, func(db runner) { require.ErrorIs(t, write(ctx, db), bunaudit.ErrNoHook) })
	in(t, ctx, db.DB, func(db runner) {
		require.ErrorIs(t, write(bunaudit.Skip(ctx, "no way around"), db), bunaudit.ErrNoHook)
	})
	require.Equal(t, before, vaults(t, db))

	in(t, ctx, a.DB, func(db runner) { require.NoError(t, write(ctx, db)) })
	require.NotEqual(t, before, vaults(t, db))
	require.Greater(t, len(a.events(t)), events)
}

func TestReadsOfAGuardedModelAreNotHeldBack(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{}, (*Vault)(nil))
		for _, pool := range []*bun.DB{db.DB, a.DB} {
			for place, in := range guardedPlaces {
				in(t, t.Context(), pool, func(db runner) {
					n, err := db.NewSelect().Model((*Vault)(nil)).Count(t.Context())
					require.NoError(t, err, place)
					require.Zero(t, n)
					exists, err := db.NewSelect().Model((*Vault)(nil)).Exists(t.Context())
					require.NoError(t, err, place)
					require.False(t, exists)
					n, err = db.NewSelect().Model(new([]Vault)).Limit(1).ScanAndCount(t.Context())
					require.NoError(t, err, place)
					require.Zero(t, n)
					require.NoError(t, db.NewSelect().Model(new([]Vault)).Scan(t.Context()))
				})
			}
		}
	})
}

func TestACloneWithTheHookRecordsAndTheOneWithoutRefuses(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{}, (*Vault)(nil))
		plain := db.Open(t)
		hooked := plain.WithNamedArg("clone", 1)
		hooked.AddQueryHook(a.hook)
		q := plain.NewInsert().Model(&Vault{Name: "a"})
		require.ErrorIs(t, exec(q.Exec(t.Context())), bunaudit.ErrNoHook)
		require.ErrorIs(t, exec(q.Exec(t.Context())), bunaudit.ErrNoHook)
		require.NoError(t, exec(hooked.NewInsert().Model(&Vault{Name: "b"}).Exec(t.Context())))
		require.ErrorIs(t, guardedWrites["update a struct"](t.Context(), plain), bunaudit.ErrNoHook)
		require.Equal(t, []string{`insert vaults {"id":1}: name -> "b"`}, a.story(t))
	})
}

func TestAGuardedMergeIsHeldBack(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	_ = newAudited(t, db, bunaudit.Config{}, (*Vault)(nil))
	_, err := db.NewMerge().Model(&Vault{}).With("src", db.NewSelect().ColumnExpr("1 AS id, 'm' AS name")).
		Using("src").On("vault.id = src.id").WhenInsert("NOT MATCHED", func(q *bun.InsertQuery) *bun.InsertQuery {
		return q.Value("name", "src.name")
	}).Exec(t.Context())
	require.ErrorIs(t, err, bunaudit.ErrNoHook)
	require.Empty(t, vaults(t, db))
}
