package bunaudit_test

import (
	"context"
	"database/sql"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

func insertNamed(ctx context.Context, db runner, name string) error {
	_, err := db.NewInsert().Model(&Customer{Name: name}).Exec(ctx)
	return err
}

// names are the names of the customers, in order of their keys.
func names(t *testing.T, a *audited) []string {
	t.Helper()
	found := []string{}
	for _, c := range customers(t, a, "TRUE") {
		found = append(found, c.Name)
	}
	return found
}

// recorded are the names in the events of inserts.
func recorded(t *testing.T, a *audited) []string {
	t.Helper()
	found := []string{}
	for _, e := range a.events(t) {
		found = append(found, string(e.Changes["name"].New))
	}
	return found
}

func TestWhatIsRolledBackLeavesNoEvent(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, ctx context.Context, a *audited)
		want []string
	}{
		{"RunInTx with an error", func(t *testing.T, ctx context.Context, a *audited) {
			err := a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				require.NoError(t, insertNamed(ctx, tx, "a"))
				return errSink
			})
			require.Equal(t, errSink, err)
		}, nil},
		{"Rollback", func(t *testing.T, ctx context.Context, a *audited) {
			tx, err := a.BeginTx(ctx, nil)
			require.NoError(t, err)
			require.NoError(t, insertNamed(ctx, tx, "a"))
			require.NoError(t, tx.Rollback())
		}, nil},
		{"a panic in RunInTx", func(t *testing.T, ctx context.Context, a *audited) {
			require.PanicsWithValue(t, "oh", func() {
				_ = a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					require.NoError(t, insertNamed(ctx, tx, "a"))
					panic("oh")
				})
			})
		}, nil},
		{"the context of BeginTx is cancelled", func(t *testing.T, ctx context.Context, a *audited) {
			own, cancel := context.WithCancel(ctx)
			tx, err := a.BeginTx(own, nil)
			require.NoError(t, err)
			require.NoError(t, insertNamed(ctx, tx, "a"))
			cancel()
			require.Error(t, tx.Commit())
		}, nil},
		{"a savepoint in a transaction that commits", func(t *testing.T, ctx context.Context, a *audited) {
			require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				require.NoError(t, insertNamed(ctx, tx, "a"))
				require.Equal(t, errSink, tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error {
					require.NoError(t, insertNamed(ctx, sp, "b"))
					return errSink
				}))
				return insertNamed(ctx, tx, "c")
			}))
		}, []string{"a", "c"}},
		{"a savepoint within one that is released", func(t *testing.T, ctx context.Context, a *audited) {
			require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				return tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error {
					require.NoError(t, insertNamed(ctx, sp, "a"))
					inner, err := sp.BeginTx(ctx, nil)
					require.NoError(t, err)
					require.NoError(t, insertNamed(ctx, inner, "b"))
					require.NoError(t, inner.Rollback())
					return insertNamed(ctx, sp, "c")
				})
			}))
		}, []string{"a", "c"}},
		{"a released savepoint in a transaction that rolls back", func(t *testing.T, ctx context.Context, a *audited) {
			require.Error(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				require.NoError(t, tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error { return insertNamed(ctx, sp, "a") }))
				return errSink
			}))
		}, nil},
		{"a transaction begun by hand on a bun.Conn", func(t *testing.T, ctx context.Context, a *audited) {
			conn, err := a.Conn(ctx)
			require.NoError(t, err)
			defer conn.Close()
			for _, do := range []string{"BEGIN", "SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "ROLLBACK", "BEGIN", "COMMIT"} {
				_, err = conn.ExecContext(ctx, do)
				require.NoError(t, err)
				require.NoError(t, insertNamed(ctx, conn, "after "+do))
			}
		}, []string{"after ROLLBACK", "after BEGIN", "after COMMIT"}},
		{"a transaction of a bun.Conn", func(t *testing.T, ctx context.Context, a *audited) {
			conn, err := a.Conn(ctx)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return insertNamed(ctx, tx, "a") }))
			require.Error(t, conn.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				require.NoError(t, insertNamed(ctx, tx, "b"))
				return errSink
			}))
			require.NoError(t, insertNamed(ctx, conn, "c"))
		}, []string{"a", "c"}},
		{"a savepoint by hand in a transaction", func(t *testing.T, ctx context.Context, a *audited) {
			require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				for _, do := range []string{"SAVEPOINT bunaudit", "ROLLBACK TO SAVEPOINT bunaudit", "RELEASE SAVEPOINT bunaudit"} {
					_, err := tx.ExecContext(ctx, do) // by the name that the hook uses itself
					require.NoError(t, err)
					require.NoError(t, insertNamed(ctx, tx, "after "+do))
				}
				return nil
			}))
		}, []string{"after ROLLBACK TO SAVEPOINT bunaudit", "after RELEASE SAVEPOINT bunaudit"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
				c.run(t, deadline(t), a)
				want, events := []string{}, []string{}
				for _, name := range c.want {
					want, events = append(want, name), append(events, `"`+name+`"`)
				}
				require.Equal(t, want, names(t, a))
				require.Equal(t, events, recorded(t, a))
			})
		})
	}
}

func TestEventsNameTheirTransaction(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, ctx context.Context, a *audited)
		want []int // how many events the transactions have
	}{
		{"each statement on the pool is its own", func(t *testing.T, ctx context.Context, a *audited) {
			for range 3 {
				require.NoError(t, insertNamed(ctx, a, "a"))
			}
		}, []int{1, 1, 1}},
		{"a statement over several rows is one", func(t *testing.T, ctx context.Context, a *audited) {
			_, err := a.NewInsert().Model(&[]Customer{{Name: "a"}, {Name: "b"}}).Exec(ctx)
			require.NoError(t, err)
		}, []int{2}},
		{"with savepoints", func(t *testing.T, ctx context.Context, a *audited) {
			for range 2 {
				require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					require.NoError(t, insertNamed(ctx, tx, "a"))
					require.NoError(t, tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error { return insertNamed(ctx, sp, "b") }))
					require.NoError(t, tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error { return insertNamed(ctx, sp, "c") }))
					return insertNamed(ctx, tx, "d")
				}))
			}
		}, []int{4, 4}},
		{"with a context of each statement's own, and garbage collected in between", func(t *testing.T, ctx context.Context, a *audited) {
			for range 2 {
				tx, err := a.BeginTx(ctx, nil)
				require.NoError(t, err)
				for range 3 {
					require.NoError(t, insertNamed(context.Background(), tx, "a"))
					runtime.GC()
				}
				require.NoError(t, tx.Commit())
			}
		}, []int{3, 3}},
		{"many short ones with garbage collected in between", func(t *testing.T, ctx context.Context, a *audited) {
			for i := range 20 {
				require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					require.NoError(t, insertNamed(ctx, tx, "a"))
					return insertNamed(ctx, tx, "b")
				}))
				if i%5 == 0 {
					runtime.GC()
				}
			}
		}, []int{2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
		{"through a pointer to the transaction, and through Conn", func(t *testing.T, ctx context.Context, a *audited) {
			tx, err := a.BeginTx(ctx, nil)
			require.NoError(t, err)
			require.NoError(t, insertNamed(ctx, &tx, "a"))
			_, err = a.NewInsert().Model(&Customer{Name: "b"}).Conn(tx).Exec(ctx)
			require.NoError(t, err)
			_, err = a.NewInsert().Model(&Customer{Name: "c"}).Conn(&tx).Exec(ctx)
			require.NoError(t, err)
			_, err = a.NewInsert().Model(&Customer{Name: "d"}).Conn(tx.Tx).Exec(ctx)
			require.NoError(t, err)
			require.NoError(t, tx.Commit())
		}, []int{4}},
		{"on a bun.Conn each statement and each transaction", func(t *testing.T, ctx context.Context, a *audited) {
			conn, err := a.Conn(ctx)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, insertNamed(ctx, conn, "a"))
			require.NoError(t, insertNamed(ctx, conn, "a"))
			tx, err := conn.BeginTx(ctx, &sql.TxOptions{})
			require.NoError(t, err)
			require.NoError(t, insertNamed(ctx, tx, "b"))
			require.NoError(t, insertNamed(ctx, tx, "b"))
			require.NoError(t, tx.Commit())
			require.NoError(t, insertNamed(ctx, conn, "a"))
		}, []int{1, 1, 2, 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
				c.run(t, deadline(t), a)
				require.Equal(t, c.want, transactions(a.events(t)))
			})
		})
	}
}

// SQLite can't tell one such transaction from the next.
func TestEventsNameATransactionBegunByHandOnPostgreSQL(t *testing.T) {
	ctx, a := deadline(t), newAudited(t, testdb.New(t, testdb.Postgres), bunaudit.Config{}, (*Customer)(nil))
	conn, err := a.Conn(ctx)
	require.NoError(t, err)
	defer conn.Close()
	for range 2 {
		for _, do := range []string{"BEGIN", "SAVEPOINT a", "RELEASE SAVEPOINT a", "COMMIT"} {
			_, err = conn.ExecContext(ctx, do)
			require.NoError(t, err)
			require.NoError(t, insertNamed(ctx, conn, do))
		}
	}
	require.Equal(t, []int{3, 1, 3, 1}, transactions(a.events(t)))
}

// By their times history knows which events are of one statement.
func TestEachStatementOfATransactionHasATimeOfItsOwn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		clock := noon
		a := newAudited(t, db, bunaudit.Config{Now: func() time.Time { return clock }}, (*Customer)(nil))
		ctx := t.Context()
		rename := func(db runner, name string) {
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("name = ?", name).Where("TRUE").Exec(ctx)
			require.NoError(t, err)
		}
		_, err := a.NewInsert().Model(&[]Customer{{Name: "a"}, {Name: "b"}}).Exec(ctx)
		require.NoError(t, err)
		require.NoError(t, a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			rename(tx, "c") // the clock stands still
			rename(tx, "d")
			clock = clock.Add(-time.Hour)
			rename(tx, "e")
			clock = noon.Add(time.Minute)
			rename(tx, "f")
			return nil
		}))
		var after []time.Duration
		for _, e := range a.events(t) {
			after = append(after, e.Time.Sub(noon))
		}
		require.Equal(t, []time.Duration{0, 0, 0, 0, 1000, 1000, 2000, 2000, time.Minute, time.Minute}, after)
	})
}
