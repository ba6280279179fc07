package compat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

func TestStatementsAreRecordedOnEachRoute(t *testing.T) {
	onEachRoute(t, func(t *testing.T, w *world) {
		steps := []struct {
			name string
			run  func(ctx context.Context, db bun.IDB) error
			want []string
		}{
			{"insert, with a generated key and a default", func(ctx context.Context, db bun.IDB) error {
				th := newThing("one")
				_, err := db.NewInsert().Model(th).Exec(ctx)
				if err == nil && (th.ID != 1 || th.Made != "by default") {
					return fmt.Errorf("Bun read id %d and %q", th.ID, th.Made)
				}
				return err
			}, []string{`insert {"id":1}: big -> 9007199254740993, blob -> "AP9cJw==", day -> "2026-02-03", deleted_at -> null, ` +
				`doc -> {"a":[null,"x"],"b":1}, local -> "2026-02-03T04:05:06.789000", made -> "by default", maybe -> null, ` +
				`moment -> "2026-02-03T04:05:06.789000Z", name -> "one", numbers -> [1,-2], price -> 12.50, ratio -> 0.1, ` +
				`raw -> {"y":"?","z":1}, small -> -7, tags -> ["a\"b","c,d",""], uuid -> "01234567-89ab-cdef-0123-456789abcdef", yes -> true`}},
			{"insert of several, of some columns", func(ctx context.Context, db bun.IDB) error {
				things := []*thing{{Name: "two"}, {Name: "three"}}
				_, err := db.NewInsert().Model(&things).Column("name").Returning("id").Exec(ctx)
				if err == nil && things[1].ID != 3 {
					return fmt.Errorf("Bun read id %d", things[1].ID)
				}
				return err
			}, []string{bare(2, "two"), bare(3, "three")}},
			{"update by key", func(ctx context.Context, db bun.IDB) error {
				res, err := db.NewUpdate().Model(&thing{ID: 2, Name: "zwei", Small: 2}).Column("name", "small").WherePK().Exec(ctx)
				return affected(res, err, 1)
			}, []string{`update {"id":2}: name "two" -> "zwei", small null -> 2`}},
			{"update by an expression, RETURNING", func(ctx context.Context, db bun.IDB) error {
				var names []string
				_, err := db.NewUpdate().Model((*thing)(nil)).Set("small = COALESCE(small, 0) + 1").Where("id > 1").Returning("name").Exec(ctx, &names)
				if err == nil && len(names) != 2 {
					return fmt.Errorf("Bun read %q", names)
				}
				return err
			}, []string{`update {"id":2}: small 2 -> 3`, `update {"id":3}: small null -> 1`}},
			{"update that changes nothing", func(ctx context.Context, db bun.IDB) error {
				res, err := db.NewUpdate().Model((*thing)(nil)).Set("small = small").Where("id > 1").Exec(ctx)
				return affected(res, err, 2)
			}, nil},
			{"upsert that finds its row", func(ctx context.Context, db bun.IDB) error {
				_, err := db.NewInsert().Model(&thing{Name: "three", Small: 33}).Column("name", "small").
					On("CONFLICT (name) DO UPDATE").Set("small = EXCLUDED.small").Returning("id").Exec(ctx)
				return err
			}, []string{`update {"id":3}: small 1 -> 33`}},
			{"NewRaw, RETURNING", func(ctx context.Context, db bun.IDB) error {
				var id int64
				return db.NewRaw("UPDATE things SET maybe = ? WHERE name = ? RETURNING id", `it's "?" \ $1`, "zwei").Scan(ctx, &id)
			}, []string{`update {"id":2}: maybe null -> "it's \"?\" \\ $1"`}},
			{"soft delete", func(ctx context.Context, db bun.IDB) error {
				_, err := db.NewDelete().Model(&thing{ID: 3, DeletedAt: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}).WherePK().Exec(ctx)
				return err
			}, []string{`soft delete {"id":3}: deleted_at`}},
			{"delete, RETURNING", func(ctx context.Context, db bun.IDB) error {
				var names []string
				_, err := db.NewDelete().Model((*thing)(nil)).Where("id = 2").ForceDelete().Returning("name").Exec(ctx, &names)
				if err == nil && len(names) != 1 {
					return fmt.Errorf("Bun read %q", names)
				}
				return err
			}, []string{`delete {"id":2}: made "by default", maybe "it's \"?\" \\ $1", name "zwei", small 3`}},
		}
		for _, inTx := range []bool{false, true} {
			_, err := w.admin.ExecContext(t.Context(), "TRUNCATE things, audit_events RESTART IDENTITY")
			require.NoError(t, err)
			for _, s := range steps {
				before := len(w.story(t))
				if inTx {
					err = w.db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.run(ctx, tx) })
				} else {
					err = s.run(t.Context(), w.db)
				}
				require.NoError(t, err, s.name)
				require.ElementsMatch(t, s.want, w.story(t)[before:], "%s, in a transaction: %t", s.name, inTx)
			}
		}
		w.requireComplete(t)
	})
}

func TestATransactionStandsOrFallsOnEachRoute(t *testing.T) {
	onEachRoute(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		three := func(ctx context.Context, tx bun.Tx) error {
			th := newThing("a")
			if _, err := tx.NewInsert().Model(th).Exec(ctx); err != nil {
				return err
			}
			err := tx.RunInTx(ctx, nil, func(ctx context.Context, inner bun.Tx) error { // a savepoint
				if _, err := inner.NewUpdate().Model(th).Set("small = 1").WherePK().Exec(ctx); err != nil {
					return err
				}
				return errUndo
			})
			if !errors.Is(err, errUndo) {
				return fmt.Errorf("the savepoint ended with %w", err)
			}
			_, err = tx.NewUpdate().Model(th).Set("small = 2").WherePK().Exec(ctx)
			return err
		}
		require.NoError(t, w.db.RunInTx(ctx, nil, three))
		require.Len(t, w.story(t), 2)
		require.Equal(t, `update {"id":1}: small -7 -> 2`, w.story(t)[1])
		var transactions int
		require.NoError(t, w.admin.NewRaw("SELECT count(DISTINCT tx) FROM audit_events").Scan(ctx, &transactions))
		require.Equal(t, 1, transactions)

		// The unique name is taken: the error is the statement's own, and all of it is undone.
		err := w.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			if _, err := tx.NewUpdate().Model((*thing)(nil)).Set("small = 3").Where("id = 1").Exec(ctx); err != nil {
				return err
			}
			return three(ctx, tx)
		})
		require.Equal(t, "23505", stateOf(err), "%v", err)
		_, err = w.db.NewInsert().Model(newThing("a")).Exec(ctx)
		require.Equal(t, "23505", stateOf(err), "%v", err)
		_, err = w.db.NewUpdate().Model((*thing)(nil)).Set("small = 1/0").Where("TRUE").Exec(ctx)
		require.Equal(t, "22012", stateOf(err), "%v", err)
		_, err = w.db.NewUpdate().Model((*thing)(nil)).Set("nonsense = 1").Where("TRUE").Exec(ctx)
		require.Equal(t, "42703", stateOf(err), "%v", err)
		done, cancel := context.WithCancel(ctx)
		cancel()
		_, err = w.db.NewUpdate().Model((*thing)(nil)).Set("small = 4").Where("TRUE").Exec(done)
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, w.story(t), 2)
		var small int
		require.NoError(t, w.admin.NewRaw("SELECT small FROM things").Scan(ctx, &small))
		require.Equal(t, 2, small)
	})
}

var errUndo = errors.New("undo")

// What Bun makes of the rows of an audited statement is what it makes of those
// of a plain one by the same driver.
func TestRowsComeBackAsThePlainDriverDeliversThem(t *testing.T) {
	onEachRoute(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var got [2]thing
		for i, db := range []*bun.DB{w.plain, w.db} {
			th := newThing(fmt.Sprint("row ", i))
			_, err := db.NewInsert().Model(th).Returning("*").Exec(ctx)
			require.NoError(t, err)
			_, err = db.NewUpdate().Model(&got[i]).Set("yes = NOT yes, maybe = 'm'").Where("id = ?", th.ID).Returning("*").Exec(ctx)
			require.NoError(t, err)
			require.Equal(t, th.ID, got[i].ID)
			got[i].ID, got[i].Name = 0, ""

			var anyRows []map[string]any
			_, err = db.NewDelete().Model((*thing)(nil)).Where("id = ?", th.ID).ForceDelete().Returning("big, price, moment, tags, blob").Exec(ctx, &anyRows)
			require.NoError(t, err)
			require.Len(t, anyRows, 1)
		}
		require.Equal(t, got[0], got[1])
	})
}

// Each old value is the one that the last event left, whichever connection a
// pooler has given to whom.
func TestHistoriesHaveNoGapsOnEachRoute(t *testing.T) {
	const clients, each = 8, 25
	onEachRoute(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, err := w.db.NewInsert().Model(newThing("shared")).Exec(ctx)
		require.NoError(t, err)
		_, err = w.admin.ExecContext(ctx, "TRUNCATE audit_events; UPDATE things SET big = 0")
		require.NoError(t, err)
		var all sync.WaitGroup
		errs := make([]error, clients)
		for i := range clients {
			all.Go(func() {
				for n := 0; n < each && errs[i] == nil; n++ {
					update := func(ctx context.Context, db bun.IDB) error {
						_, err := db.NewUpdate().Model((*thing)(nil)).Set("big = big + 1").Where("name = 'shared'").Exec(ctx)
						return err
					}
					if n%2 == 0 {
						errs[i] = update(ctx, w.db)
					} else {
						errs[i] = w.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return update(ctx, tx) })
					}
				}
			})
		}
		all.Wait()
		require.NoError(t, errors.Join(errs...))
		var events, chained int
		require.NoError(t, w.admin.NewRaw(`SELECT count(*), count(*) FILTER (WHERE old = n - 1 AND new = n) FROM (
			SELECT row_number() OVER (ORDER BY seq) AS n, (changes->'big'->>'old')::int AS old, (changes->'big'->>'new')::int AS new
			FROM audit_events) AS e`).Scan(ctx, &events, &chained))
		require.Equal(t, clients*each, events)
		require.Equal(t, events, chained)
	})
}
