package bunaudit_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

var errSink = errors.New("the disk is full")

var silent = slog.New(slog.DiscardHandler)

// writes are one statement of each kind, on the customer with the key 1.
var writes = map[string]func(ctx context.Context, db runner) error{
	"insert": func(ctx context.Context, db runner) error {
		_, err := db.NewInsert().Model(&Customer{Name: "new"}).Exec(ctx)
		return err
	},
	"update": func(ctx context.Context, db runner) error {
		_, err := db.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = 1").Exec(ctx)
		return err
	},
	"delete": func(ctx context.Context, db runner) error {
		_, err := db.NewDelete().Model((*Customer)(nil)).Where("id = 1").Exec(ctx)
		return err
	},
}

// ignoring are places that commit whatever the statement in them says, as a
// careless caller does. Each has made a good change before.
var ignoring = map[string]func(t *testing.T, ctx context.Context, a *audited, f func(ctx context.Context, db runner)){
	"on the pool": func(_ *testing.T, ctx context.Context, a *audited, f func(context.Context, runner)) {
		f(ctx, a)
	},
	"on a bun.Conn": func(t *testing.T, ctx context.Context, a *audited, f func(context.Context, runner)) {
		conn, err := a.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		f(ctx, conn)
	},
	"in a transaction that is committed all the same": func(t *testing.T, ctx context.Context, a *audited, f func(context.Context, runner)) {
		tx, err := a.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.NewInsert().Model(&Customer{Name: "before"}).Exec(good(t.Context()))
		require.NoError(t, err)
		f(ctx, tx)
		_ = tx.Commit() // PostgreSQL rolls back; its driver may say so or not
	},
	"in RunInTx with the cancelled context, ignored": func(t *testing.T, ctx context.Context, a *audited, f func(context.Context, runner)) {
		_ = a.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewInsert().Model(&Customer{Name: "before"}).Exec(good(ctx))
			require.NoError(t, err)
			f(ctx, tx)
			return nil
		})
	},
	"in a savepoint that is released all the same": func(t *testing.T, ctx context.Context, a *audited, f func(context.Context, runner)) {
		_ = a.RunInTx(t.Context(), nil, func(_ context.Context, tx bun.Tx) error {
			_, err := tx.NewInsert().Model(&Customer{Name: "before"}).Exec(good(t.Context()))
			require.NoError(t, err)
			return tx.RunInTx(t.Context(), nil, func(_ context.Context, sp bun.Tx) error {
				f(ctx, sp)
				return nil
			})
		})
	},
}

type testFault struct {
	name  string
	fault func(t *testing.T, db *testdb.DB, cancel context.CancelFunc) sink.Func
	cause error // nil: the database's own
	plain bool  // the error is the cause itself
	kills bool
}

// faults happen after the sink has written the event, or instead of it.
var faults = []testFault{
	{"the sink fails after it has written", func(*testing.T, *testdb.DB, context.CancelFunc) sink.Func {
		return func(context.Context, sink.Tx, []sink.Event) error { return errSink }
	}, errSink, false, false},
	{"the sink panics", func(*testing.T, *testdb.DB, context.CancelFunc) sink.Func {
		return func(ctx context.Context, tx sink.Tx, e []sink.Event) error {
			return sinktest.Panicking("out of order").Write(ctx, tx, e)
		}
	}, nil, false, false},
	{"the sink blocks until the context is cancelled", func(_ *testing.T, _ *testdb.DB, cancel context.CancelFunc) sink.Func {
		return func(ctx context.Context, tx sink.Tx, e []sink.Event) error {
			go cancel()
			return sinktest.Blocking().Write(ctx, tx, e)
		}
	}, context.Canceled, false, false},
	{"the context is cancelled between the event and the commit", func(_ *testing.T, _ *testdb.DB, cancel context.CancelFunc) sink.Func {
		return func(context.Context, sink.Tx, []sink.Event) error {
			cancel()
			return nil
		}
	}, context.Canceled, true, false},
	{"the connection is killed", func(t *testing.T, db *testdb.DB, _ context.CancelFunc) sink.Func {
		return func(ctx context.Context, tx sink.Tx, _ []sink.Event) error {
			db.KillConnections(t)
			forgetKilled(db.DB)
			_, err := tx.ExecContext(ctx, "SELECT 1")
			return err
		}
	}, nil, false, true},
	{"the sink's own statement fails", func(*testing.T, *testdb.DB, context.CancelFunc) sink.Func {
		return func(ctx context.Context, tx sink.Tx, _ []sink.Event) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)")
			return err
		}
	}, nil, false, false},
}

// failing returns a sink that writes to the table of events, and then does as
// fail says unless the statement's reason is "good".
func failing(fail *sink.Func) sink.Sink {
	events := sqlsink.New()
	return sink.Func(func(ctx context.Context, tx sink.Tx, e []sink.Event) error {
		if err := events.Write(ctx, tx, e); err != nil || e[0].Reason == "good" {
			return err
		}
		return (*fail)(ctx, tx, e)
	})
}

func good(ctx context.Context) context.Context { return bunaudit.WithReason(ctx, "good") }

func TestAnEventThatCannotBeWrittenLeavesNoChange(t *testing.T) {
	t.Parallel()
	for place, in := range ignoring {
		t.Run(place, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				for _, fault := range faults {
					t.Run(fault.name, func(t *testing.T) { testNoChange(t, db, fault, in) })
				}
			})
		})
	}
}

func testNoChange(t *testing.T, db *testdb.DB, fault testFault, in func(*testing.T, context.Context, *audited, func(context.Context, runner))) {
	var fail sink.Func
	a := newAudited(t, db, bunaudit.Config{Sink: failing(&fail), Log: silent}, (*Customer)(nil))
	renew(t, db, "customers")
	_, err := a.NewInsert().Model(&Customer{Name: "Jane", Score: 5}).Exec(good(t.Context()))
	require.NoError(t, err)
	for op, write := range writes {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		fail = fault.fault(t, db, cancel)
		in(t, ctx, a, func(ctx context.Context, db runner) { err = write(ctx, db) })
		requireNotRecorded(t, err, fault, sink.Op(op))
		requireRecordOfTable(t, a)
		require.Equal(t, []Customer{{ID: 1, Name: "Jane", Score: 5}}, customers(t, a, "id = 1"), op)
		require.Empty(t, customers(t, a, "name = 'new'"), op)
		forgetKilled(a.DB)
	}
	forgetKilled(db.DB)
}

// forgetKilled closes the idle connections of a pool.
func forgetKilled(pool *bun.DB) {
	pool.SetMaxIdleConns(-1)
	pool.SetMaxIdleConns(2)
}

func requireNotRecorded(t *testing.T, err error, fault testFault, op sink.Op) {
	t.Helper()
	require.Error(t, err)
	if fault.cause != nil {
		require.ErrorIs(t, err, fault.cause)
	}
	if fault.plain {
		return
	}
	var notRecorded *bunaudit.NotRecordedError
	require.ErrorAs(t, err, &notRecorded)
	require.Equal(t, "customers", notRecorded.Table)
	require.Equal(t, op, notRecorded.Op)
	require.Error(t, notRecorded.Err)
}

// requireRecordOfTable asserts that the events, replayed, give the table.
func requireRecordOfTable(t *testing.T, a *audited) {
	t.Helper()
	rows := map[string]bool{}
	for _, e := range a.events(t) {
		switch e.Op {
		case sink.Insert:
			rows[string(e.Key["id"])+string(e.Changes["name"].New)] = true
		default:
			t.Fatalf("an event of what did not happen: %s", line(e))
		}
	}
	found := map[string]bool{}
	for _, c := range customers(t, a, "TRUE") {
		found[string(jsonOf(t, c.ID))+string(jsonOf(t, c.Name))] = true
	}
	require.Equal(t, rows, found)
}

func customers(t *testing.T, a *audited, where string) []Customer {
	t.Helper()
	var found []Customer
	require.NoError(t, a.plain.NewSelect().Model(&found).Where(where).Order("id").Scan(t.Context()))
	return found
}

func TestWithoutTheAuditTableNothingIsChanged(t *testing.T) {
	for _, place := range []string{"on the pool", "on a bun.Conn"} { // the others make a good change first
		t.Run(place, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
				_, err := db.NewInsert().Model(&Customer{Name: "Jane"}).Exec(t.Context())
				require.NoError(t, err)
				_, err = db.ExecContext(t.Context(), "DROP TABLE audit_events")
				require.NoError(t, err)
				for op, write := range writes {
					ignoring[place](t, t.Context(), a, func(ctx context.Context, db runner) { err = write(ctx, db) })
					requireNotRecorded(t, err, testFault{}, sink.Op(op))
					require.Equal(t, []Customer{{ID: 1, Name: "Jane"}}, customers(t, a, "TRUE"))
				}
			})
		})
	}
}
