package bunaudit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
)

// together runs n workers at once and waits for them.
func together(n int, work func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { work(i) })
	}
	wg.Wait()
}

// deadline bounds a test that would otherwise hang where it fails.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func increment(ctx context.Context, db runner) error {
	_, err := db.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = 1").Exec(ctx)
	return err
}

func TestWritersOfOneRowLeaveAChain(t *testing.T) {
	t.Parallel()
	const writers, increments = 8, 8
	ways := map[string]func(ctx context.Context, a *audited) error{
		"on the pool": func(ctx context.Context, a *audited) error { return increment(ctx, a) },
		"twice in a transaction": func(ctx context.Context, a *audited) error {
			return a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				if err := increment(ctx, tx); err != nil {
					return err
				}
				return increment(ctx, tx)
			})
		},
		"by raw SQL with RETURNING": func(ctx context.Context, a *audited) error {
			if onMariaDB(a) {
				return exec(a.NewRaw("UPDATE customers SET score = score + 1 WHERE id = 1").Exec(ctx))
			}
			var score int
			return a.NewRaw("UPDATE customers SET score = score + 1 WHERE id = 1 RETURNING score").Scan(ctx, &score)
		},
		"on a bun.Conn": func(ctx context.Context, a *audited) error {
			conn, err := a.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			return increment(ctx, conn)
		},
		"by a condition on the value that changes": func(ctx context.Context, a *audited) error {
			_, err := a.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("score >= 0").Exec(ctx)
			return err
		},
	}
	for name, change := range ways {
		for _, pool := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, connections %d", name, pool), func(t *testing.T) {
				everyWay(t, func(t *testing.T, db *testdb.DB) {
					ctx := deadline(t)
					a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
					a.SetMaxOpenConns(pool)
					_, err := a.NewInsert().Model(&Customer{Name: "Jane"}).Exec(ctx)
					require.NoError(t, err)
					together(writers, func(int) {
						for range increments {
							assert.NoError(t, change(ctx, a))
						}
					})
					want := writers * increments
					if name == "twice in a transaction" {
						want *= 2
					}
					require.Equal(t, want, customers(t, a, "id = 1")[0].Score)
					requireChain(t, a.events(t), want)
				})
			})
		}
	}
}

// requireChain asserts that the scores go up from 0 to last, one by one.
func requireChain(t *testing.T, events []sink.Event, last int) {
	t.Helper()
	next := map[string]string{}
	for _, e := range events {
		if e.Op == sink.Update {
			c := e.Changes["score"]
			require.NotContains(t, next, string(c.Old), "two changes from one value")
			next[string(c.Old)] = string(c.New)
		}
	}
	require.Len(t, next, last)
	for i := range last {
		require.Equal(t, fmt.Sprint(i+1), next[fmt.Sprint(i)])
	}
}

func TestHundredsOfGoroutinesOnOneHook(t *testing.T) {
	const goroutines = 200
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := deadline(t)
		a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil), (*Note)(nil))
		a.SetMaxOpenConns(10)
		together(goroutines, func(i int) {
			name := fmt.Sprintf("customer %d", i)
			ctx := bunaudit.WithActor(ctx, sink.Actor{ID: name})
			c := &Customer{Name: name}
			_, err := a.NewInsert().Model(c).Exec(ctx)
			assert.NoError(t, err)
			n := &Note{Text: name}
			_, err = a.NewInsert().Model(n).Returning("*").Exec(ctx)
			assert.NoError(t, err)
			update := a.NewUpdate().Model(n).Set("text = concat(text, '!')").WherePK()
			if onMariaDB(a) {
				assert.NoError(t, exec(update.Exec(ctx)))
			} else {
				var text string
				assert.NoError(t, update.Returning("text").Scan(ctx, &text))
				assert.Equal(t, name+"!", text)
			}
			_, err = a.NewDelete().Model(c).WherePK().Exec(ctx)
			assert.NoError(t, err)
		})
		events := a.events(t)
		require.Len(t, events, 4*goroutines)
		require.Len(t, transactions(events), 4*goroutines)
		ids := map[string]bool{}
		for _, e := range events {
			ids[e.ID] = true
			if c, ok := e.Changes["name"]; ok && e.Op == sink.Insert {
				require.Equal(t, string(jsonOf(t, e.Actor.ID)), string(c.New))
			}
		}
		require.Len(t, ids, 4*goroutines)
	})
}

func TestTwoGoroutinesOnOneTransaction(t *testing.T) {
	const each = 20
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := deadline(t)
		a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
		_, err := a.NewInsert().Model(&Customer{Name: "Jane"}).Exec(ctx)
		require.NoError(t, err)
		require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			together(2, func(i int) {
				for range each {
					assert.NoError(t, increment(ctx, tx))
					_, err := tx.NewInsert().Model(&Customer{Name: fmt.Sprint(i)}).Exec(ctx)
					assert.NoError(t, err)
				}
			})
			return nil
		}))
		events := a.events(t)
		requireChain(t, events, 2*each)
		require.Equal(t, []int{1, 4 * each}, transactions(events))
	})
}

func TestATransactionWaitsNoLongerThanItsContext(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		entered, leave := make(chan struct{}), make(chan struct{})
		a := newAudited(t, db, bunaudit.Config{Sink: sink.Func(func(context.Context, sink.Tx, []sink.Event) error {
			close(entered)
			<-leave
			return nil
		})}, (*Customer)(nil))
		require.NoError(t, a.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
			first := make(chan error)
			go func() { first <- writes["insert"](t.Context(), tx) }()
			<-entered
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			require.ErrorIs(t, writes["insert"](ctx, tx), context.DeadlineExceeded)
			close(leave)
			return <-first
		}))
		require.Len(t, customers(t, a, "TRUE"), 1)
	})
}

func TestOneConnectionIsEnough(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := deadline(t)
		a := newAudited(t, db, bunaudit.Config{Actor: jane}, (*Customer)(nil))
		a.SetMaxOpenConns(1)
		require.NoError(t, a.hook.Check(ctx))
		together(20, func(i int) {
			for _, op := range []string{"insert", "update", "delete"} {
				assert.NoError(t, writes[op](ctx, a))
			}
			assert.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				if err := writes["insert"](ctx, tx); err != nil {
					return err
				}
				return tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error {
					return writes["insert"](ctx, sp)
				})
			}))
		})
		require.Zero(t, a.DB.DB.Stats().InUse)
	})
}

func jsonOf(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}
