package bunaudit_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/extra/bundebug"
	"github.com/uptrace/bun/extra/bunotel"
	"go.opentelemetry.io/otel/trace"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func TestBesideOtherHooksEventsComeOnce(t *testing.T) {
	debug := bundebug.NewQueryHook(bundebug.WithVerbose(true), bundebug.WithWriter(io.Discard))
	otel := bunotel.NewQueryHook(bunotel.WithFormattedQueries(true))
	orders := map[string]func(audit bun.QueryHook) []bun.QueryHook{
		"first":              func(h bun.QueryHook) []bun.QueryHook { return []bun.QueryHook{h, debug, otel} },
		"in the middle":      func(h bun.QueryHook) []bun.QueryHook { return []bun.QueryHook{debug, h, otel} },
		"last":               func(h bun.QueryHook) []bun.QueryHook { return []bun.QueryHook{otel, debug, h} },
		"added twice itself": func(h bun.QueryHook) []bun.QueryHook { return []bun.QueryHook{h, debug, h} },
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{Log: silent}, (*Customer)(nil))
				pool := db.Open(t)
				for _, h := range order(a.hook) {
					pool.AddQueryHook(h)
				}
				for _, in := range refusing {
					in(t, t.Context(), pool, func(db runner) {
						require.NoError(t, exec(db.NewInsert().Model(&Customer{Name: "Jane"}).Exec(t.Context())))
						update := db.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("name = 'Jane'")
						if onMariaDB(db) {
							require.NoError(t, exec(update.Exec(t.Context())))
						} else {
							var score int
							require.NoError(t, update.Returning("score").Scan(t.Context(), &score))
							require.Equal(t, 1, score)
						}
						require.NoError(t, exec(db.NewDelete().Model((*Customer)(nil)).Where("name = 'Jane'").Exec(t.Context())))
					})
				}
				counts := map[sink.Op]int{}
				for _, e := range a.events(t) {
					counts[e.Op]++
				}
				require.Equal(t, map[sink.Op]int{sink.Insert: 3 + 2, sink.Update: 3, sink.Delete: 3}, counts) // refusing adds two
				var refused *bunaudit.UncapturableError
				_, err := pool.ExecContext(t.Context(), "DELETE FROM customers")
				require.ErrorAs(t, err, &refused)
			})
		})
	}
}

func TestTwoAuditHooksAreRefused(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
		a.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: new(sinktest.Recorder)}))
		for op, write := range writes {
			var refused *bunaudit.UncapturableError
			require.ErrorAs(t, write(t.Context(), a), &refused, op)
			require.Contains(t, refused.Reason, "sink.Tee")
		}
		require.Empty(t, customers(t, a, "TRUE"))
	})
}

// Whichever hook is asked, and whenever the other one came.
func TestCheckFindsASecondAuditHook(t *testing.T) {
	other := func() *bunaudit.Hook { return bunaudit.New(bunaudit.Config{Sink: new(sinktest.Recorder)}) }
	const want = "the *bun.DB has two audit hooks: use one, with sink.Tee"
	ways := map[string]func(db *bun.DB, h *bunaudit.Hook) *bun.DB{
		"on the same handle": func(db *bun.DB, h *bunaudit.Hook) *bun.DB { db.AddQueryHook(h); return db },
		"on a copy": func(db *bun.DB, h *bunaudit.Hook) *bun.DB {
			db = db.WithNamedArg("a", 1)
			db.AddQueryHook(h)
			return db
		},
		"by WithQueryHook": func(db *bun.DB, h *bunaudit.Hook) *bun.DB {
			if with, ok := any(db).(interface {
				WithQueryHook(hook bun.QueryHook) *bun.DB
			}); ok { // since Bun 1.2.16
				return with.WithQueryHook(h)
			}
			db.AddQueryHook(h)
			return db
		},
	}
	for name, add := range ways {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{Sink: new(sinktest.Recorder)}, (*Customer)(nil))
				a.AddQueryHook(a.hook) // which is no other
				require.NoError(t, a.hook.Check(t.Context()))

				second := other()
				both := add(a.DB, second)
				require.EqualError(t, a.hook.Check(t.Context()), "bunaudit: check: "+want)
				require.EqualError(t, second.Check(t.Context()), "bunaudit: check: "+want)
				var refused *bunaudit.UncapturableError
				require.ErrorAs(t, both.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
					return writes["insert"](ctx, tx)
				}), &refused)
				require.Equal(t, want, refused.Reason)

				// Two handles on one database, with a hook each.
				alone := other()
				add(db.Open(t), alone)
				require.NoError(t, alone.Check(t.Context()))
			})
		})
	}
}

func TestAQueryIsRecordedEachTimeItIsRun(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := deadline(t)
		a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
		twice := func(db runner) {
			c := &Customer{Name: "Jane"}
			insert := db.NewInsert().Model(c)
			require.NoError(t, exec(insert.Exec(ctx)))
			c.ID = 0
			require.NoError(t, exec(insert.Exec(ctx)))
			update := db.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = ?", c.ID)
			require.NoError(t, exec(update.Exec(ctx)))
			require.NoError(t, exec(update.Exec(ctx)))
			raw := db.NewRaw("UPDATE customers SET score = score + 1 WHERE id = ?", c.ID)
			require.NoError(t, exec(raw.Exec(ctx)))
			require.NoError(t, exec(raw.Exec(ctx)))
			remove := db.NewDelete().Model((*Customer)(nil)).Where("id = (SELECT min(id) FROM customers)")
			require.NoError(t, exec(remove.Exec(ctx)))
			require.NoError(t, exec(remove.Exec(ctx)))
		}
		twice(a)
		require.Len(t, a.events(t), 8)
		require.NoError(t, a.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { twice(tx); return nil }))
		require.Len(t, a.events(t), 16)
		require.Equal(t, []int{1, 1, 1, 1, 1, 1, 1, 1, 8}, transactions(a.events(t)))
	})
}

func TestAQueryOutlivesAnErrorAndNotItsTransaction(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := deadline(t)
		rec := new(sinktest.Recorder)
		a := newAudited(t, db, bunaudit.Config{Sink: rec}, (*Customer)(nil))

		c := &Customer{Name: "Jane"}
		q := a.NewInsert().Model(c)
		rec.FailWith(errSink)
		require.ErrorIs(t, exec(q.Exec(ctx)), errSink)
		done, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, exec(q.Exec(done)), context.Canceled)
		rec.FailWith(nil)
		require.NoError(t, exec(q.Exec(ctx)))
		require.Len(t, rec.Events(), 1)

		taken := a.NewInsert().Model(&Customer{ID: c.ID, Name: "John"})
		require.Error(t, exec(taken.Exec(ctx)))
		require.NoError(t, exec(db.NewDelete().Model((*Customer)(nil)).Where("1 = 1").Exec(ctx)))
		require.NoError(t, exec(taken.Exec(ctx)))
		require.Len(t, rec.Events(), 2)

		tx, err := a.BeginTx(ctx, nil)
		require.NoError(t, err)
		inTx := tx.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = ?", c.ID)
		require.NoError(t, exec(inTx.Exec(ctx)))
		require.NoError(t, tx.Commit())
		require.Equal(t, sql.ErrTxDone, exec(inTx.Exec(ctx)))
		require.Len(t, rec.Events(), 3)
		require.NoError(t, exec(inTx.Conn(a.DB).Exec(ctx)))
		require.Len(t, rec.Events(), 4)
	})
}

func TestEventsSayWhoWhyAndWithinWhat(t *testing.T) {
	t.Parallel()
	errActor := errors.New("nobody is logged in")
	type outcome struct {
		actor  sink.Actor
		reason string
		meta   map[string]string
		trace  string
		err    error
	}
	john := sink.Actor{ID: "7", Type: "job", Name: "John", OnBehalfOf: "1"}
	failing := func(context.Context) (sink.Actor, error) { return sink.Actor{}, errActor }
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled})
	cases := []struct {
		name string
		cfg  bunaudit.Config
		ctx  func(context.Context) context.Context
		want outcome
	}{
		{"nobody", bunaudit.Config{}, nil, outcome{}},
		{"the configuration's actor", bunaudit.Config{Actor: jane, RequireActor: true}, nil, outcome{actor: sink.Actor{ID: "1", Type: "user", Name: "Jane"}}},
		{"the context's actor comes first", bunaudit.Config{Actor: failing}, func(ctx context.Context) context.Context { return bunaudit.WithActor(ctx, john) }, outcome{actor: john}},
		{"the zero actor gives way", bunaudit.Config{Actor: jane}, func(ctx context.Context) context.Context {
			return bunaudit.WithActor(bunaudit.WithActor(ctx, john), sink.Actor{})
		}, outcome{actor: sink.Actor{ID: "1", Type: "user", Name: "Jane"}}},
		{"the actor can't be found out", bunaudit.Config{Actor: failing}, nil, outcome{err: errActor}},
		{"nobody, where somebody is required", bunaudit.Config{RequireActor: true}, nil, outcome{err: bunaudit.ErrNoActor}},
		{"a reason replaces another", bunaudit.Config{}, func(ctx context.Context) context.Context {
			return bunaudit.WithReason(bunaudit.WithReason(ctx, "a"), "GDPR request 118")
		}, outcome{reason: "GDPR request 118"}},
		{"meta adds up", bunaudit.Config{}, func(ctx context.Context) context.Context {
			inner := bunaudit.WithMeta(bunaudit.WithMeta(ctx, "a", "1"), "b", "2")
			_ = bunaudit.WithMeta(inner, "c", "3") // of another context
			return bunaudit.WithMeta(inner, "a", "4")
		}, outcome{meta: map[string]string{"a": "4", "b": "2"}}},
		{"a trace", bunaudit.Config{}, func(ctx context.Context) context.Context {
			return trace.ContextWithSpanContext(ctx, span)
		}, outcome{trace: "01020000000000000000000000000000/0300000000000000"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, c.cfg, (*Customer)(nil))
				ctx := t.Context()
				if c.ctx != nil {
					ctx = c.ctx(ctx)
				}
				require.NoError(t, a.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
					err := writes["insert"](ctx, tx)
					if c.want.err == nil {
						return err
					}
					require.ErrorIs(t, err, c.want.err)
					// Nothing was sent: the transaction goes on.
					return exec(tx.NewInsert().Model(&Customer{Name: "after"}).Exec(bunaudit.WithActor(t.Context(), john)))
				}))
				events := a.events(t)
				require.Len(t, events, 1)
				if c.want.err != nil {
					require.ErrorIs(t, writes["insert"](ctx, a), c.want.err)
					require.Empty(t, customers(t, a, "name = 'new'"))
					return
				}
				e := events[0]
				got := outcome{actor: e.Actor, reason: e.Reason, meta: e.Meta}
				if e.TraceID != "" || e.SpanID != "" {
					got.trace = e.TraceID + "/" + e.SpanID
				}
				require.Equal(t, c.want, got)
			})
		})
	}
}

func TestSinksSideBySideGetEachEventOnce(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		rec := new(sinktest.Recorder)
		a := newAudited(t, db, bunaudit.Config{Sink: sink.Tee(sqlsink.New(), rec)}, (*Customer)(nil))
		require.NoError(t, writes["insert"](t.Context(), a))
		rec.FailWith(errSink)
		require.ErrorIs(t, writes["insert"](t.Context(), a), errSink)
		require.Equal(t, storyOf(rec.Events()), a.story(t))
		require.Len(t, customers(t, a, "TRUE"), 1)
	})
}
