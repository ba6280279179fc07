package main

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// contender is a way to have an audit trail, or none.
type contender struct {
	name   string
	schema string

	// hook, or nil, is added to its pools.
	hook func() *bunaudit.Hook

	// ddl is run in its schema after the tables are made.
	ddl string

	// do does a workload for the nth time.
	do func(ctx context.Context, db *bun.DB, w *workload, n int) error

	silent bool // makes no events
}

var actor = sink.Actor{ID: "42", Type: "user"}

// contenders are all of them; the first is what the others are compared with.
func contenders() []*contender {
	return []*contender{
		{name: "plain", schema: "bunaudit_bench_plain", do: asItIs, silent: true},
		{name: "one statement", schema: "bunaudit_bench_one_statement", do: asItIs, hook: audited(bunaudit.Config{})},
		{name: "prepared", schema: "bunaudit_bench_prepared", do: asItIs, hook: audited(bunaudit.Config{Prepare: true})},
		{name: "general", schema: "bunaudit_bench_general", do: asItIs, hook: audited(bunaudit.Config{SeparateStatements: true})},
		{name: "trigger with actor", schema: "bunaudit_bench_trigger", do: withActor, ddl: rowTrigger},
		{name: "statement trigger", schema: "bunaudit_bench_statement_trigger", do: withActor, ddl: statementTrigger},
		{name: "by hand", schema: "bunaudit_bench_by_hand", do: byHand},
	}
}

// audited returns what makes the hook of a contender.
func audited(cfg bunaudit.Config) func() *bunaudit.Hook {
	return func() *bunaudit.Hook {
		cfg.Sink = sqlsink.New()
		cfg.Actor = func(context.Context) (sink.Actor, error) { return actor, nil }
		return bunaudit.New(cfg)
	}
}

// asItIs is for contenders that need nothing of the application.
func asItIs(ctx context.Context, db *bun.DB, w *workload, n int) error {
	if !w.transaction {
		return w.run(ctx, db, n)
	}
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return w.run(ctx, tx, n) })
}

// withActor tells the triggers who it is. Only within a transaction is that
// safe where connections are pooled.
func withActor(ctx context.Context, db *bun.DB, w *workload, n int) error {
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewRaw("SELECT set_config('bench.actor_id', ?, true), set_config('bench.actor_type', ?, true), "+
			"set_config('bench.tx', ?, true)", actor.ID, actor.Type, newID()).Exec(ctx); err != nil {
			return err
		}
		return w.run(ctx, tx, n)
	})
}

func byHand(ctx context.Context, db *bun.DB, w *workload, n int) error {
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return w.byHand(ctx, tx, n) })
}

// reset gives the contender its schema anew, with as many customers as w wants.
func (c *contender) reset(ctx context.Context, db *bun.DB, w *workload) error {
	if _, err := db.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+c.schema+" CASCADE; CREATE SCHEMA "+c.schema); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, createCustomers); err != nil {
		return err
	}
	if !c.silent {
		if err := sqlsink.New().CreateTable(ctx, db); err != nil {
			return err
		}
	}
	if _, err := db.ExecContext(ctx, c.ddl+"; SELECT setval('customers_id_seq', 2000000)"); err != nil {
		return err
	}
	if err := fill(ctx, db, 1, w.rows); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "VACUUM ANALYZE customers")
	return err
}

// check runs w once and looks at what is on record, so that nobody is
// measured who doesn't do the work.
func (c *contender) check(ctx context.Context, db, admin *bun.DB, w *workload, n int) error {
	if c.silent {
		return c.do(ctx, db, w, n)
	}
	var before, after, complete int
	const count = "SELECT count(*), count(*) FILTER (WHERE actor_id = ? AND actor_type = ? AND tx IS NOT NULL " +
		"AND key ? 'id' AND changes <> '{}') FROM audit_events"
	query := func(all *int) error {
		return admin.NewRaw(count, actor.ID, actor.Type, bun.Safe("?")).Scan(ctx, all, &complete)
	}
	if err := query(&before); err != nil {
		return err
	}
	if err := c.do(ctx, db, w, n); err != nil {
		return err
	}
	if err := query(&after); err != nil {
		return err
	}
	if after-before != w.events || complete != after {
		return fmt.Errorf("made %d events of which %d are complete, and not %d", after-before, complete-before, w.events)
	}
	return nil
}
