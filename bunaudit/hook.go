package bunaudit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/auditctx"
	"github.com/sqlaudit/bun/internal/bunconn"
	"github.com/sqlaudit/bun/internal/replay"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// Hook is the query hook that records changes. It is made by [New], is safe for
// concurrent use, and may serve several databases.
type Hook struct {
	cfg        Config
	registries sync.Map // *schema.Tables → *registry
	txs        turns[sql.Tx]
	conns      turns[sql.Conn]
	counts     *counters
	ownIDs     bool // Config.NewID is not set
	// preparesAtOnce doesn't wait for a statement to come again.
	preparesAtOnce bool
	listener       sink.CommitListener // the sink, or nil where it is none
	player         *replay.Player      // of rows that are on record

	mu     sync.Mutex
	dbs    []*bun.DB
	shares bool // one of the dbs, or a copy of it, has another audit hook as well
}

var _ bun.QueryHook = (*Hook)(nil)

// filterBunsLog is for hooks without a Config.BunLog. Bun's logger is a variable
// without a lock: set by each hook, it would be in the way of whatever uses Bun
// meanwhile, and replace what the program has set since.
var filterBunsLog = sync.OnceFunc(func() { bun.SetLogger(Logger(nil)) })

// New returns the hook, for db.AddQueryHook or, since Bun 1.2.16,
// db.WithQueryHook. It panics,
// with a sentence that says what to change, where the configuration can't work;
// [Config.Validate] says the same without a panic.
//
// New also calls bun.SetLogger, for the first hook without a [Config.BunLog] and
// for each one with it.
func New(cfg Config) *Hook {
	if err := cfg.Validate(); err != nil {
		panic(err.Error())
	}
	if cfg.BunLog != nil {
		bun.SetLogger(Logger(cfg.BunLog))
	} else {
		filterBunsLog()
	}
	listener, _ := cfg.Sink.(sink.CommitListener)
	h := &Hook{cfg: cfg.withDefaults(), counts: newCounters(), ownIDs: cfg.NewID == nil, listener: listener, player: replay.New()}
	// Bun's databases hold the hook; with the last of them it goes.
	runtime.AddCleanup(h, func(p *replay.Player) { _ = p.Close() }, h.player)
	return h
}

// Init is called by Bun when the hook is added to a database.
func (h *Hook) Init(db *bun.DB) {
	for _, m := range h.cfg.Models {
		typ, _ := modelType(m) // checked by New
		db.Table(typ)
	}
	h.registry(db)
	for _, other := range bunconn.Hooks(db) {
		if other, ok := other.(*Hook); ok && other != h {
			other.share()
			h.share()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dbs = append(h.dbs, db)
}

// share notes that a database has another audit hook beside this one.
func (h *Hook) share() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shares = true
}

const twoHooks = "the *bun.DB has two audit hooks: use one, with sink.Tee"

func (h *Hook) registry(db *bun.DB) *registry {
	tables := db.Dialect().Tables()
	if r, ok := h.registries.Load(tables); ok {
		return r.(*registry)
	}
	r, _ := h.registries.LoadOrStore(tables, newRegistry(h, db))
	return r.(*registry)
}

// BeforeQuery looks at every statement that Bun is about to run. One on an
// audited table it arms to be recorded, or refuses; any other it lets pass.
func (h *Hook) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	r := h.registry(event.DB)
	q, built := event.IQuery.(bunconn.Query)

	v := r.judge(event)
	if v.guarded && built {
		disarm(q)
	}
	if v.table == "" {
		return ctx
	}
	if reason, ok := skipped(ctx); ok {
		h.counts.count(ctx, v.table, wasSkipped, 0)
		h.cfg.Log.InfoContext(ctx, "bunaudit: skipped a statement on an audited table",
			"table", v.table, "operation", v.verb.String(), "reason", reason)
		return ctx
	}
	if auditctx.Probed(ctx) {
		return refuse(ctx, q, auditctx.ErrHeard)
	}
	if v.err == nil && !built {
		v.refuse("it was given as text to Exec or Query, which a hook can't record")
	}
	if v.err == nil {
		v.err = h.arm(q, r, v, event.Query)
	}
	var reason *UncapturableError
	switch {
	case v.err == nil:
		return ctx
	case h.cfg.Uncapturable == Warn && errors.As(v.err, &reason):
		return h.letPass(ctx, q, r, v, event, reason)
	}
	h.counts.count(ctx, v.table, wasRefused, 0)
	if !built { // the driver may have words of its own for a context that is done
		h.cfg.Log.WarnContext(ctx, "bunaudit: refused a statement on an audited table",
			"table", v.table, "operation", v.verb.String(), "error", v.err)
	}
	return refuse(ctx, q, v.err)
}

// AfterQuery tells a sink that listens of a commit. For a statement there is
// nothing left to do: when it is called the statement and its events are
// committed or undone.
func (h *Hook) AfterQuery(ctx context.Context, event *bun.QueryEvent) {
	if event.Query == "COMMIT" && event.Err == nil { // the user's, or that of a statement on the pool
		h.committed(ctx)
	}
}

// committed tells the sink that events may have become visible to others.
func (h *Hook) committed(ctx context.Context) {
	if h.listener != nil {
		h.listener.Committed(ctx)
	}
}

// arm makes q run on a recorder.
func (h *Hook) arm(q bunconn.Query, r *registry, v verdict, text string) error {
	conn, reason := h.connOf(q)
	if reason != "" {
		return v.refused(reason)
	}
	stmt, err := sqltext.Split(r.lexical, text)
	if err != nil {
		return v.refused(notTakenApart(err))
	}
	if reason := r.dialect.uncapturable(v.plan, text, stmt); reason != "" {
		return v.refused(reason)
	}
	rec := &recorder{hook: h, registry: r, query: q, db: q.DB(), conn: conn, plan: v.plan, stmt: stmt, text: text}
	if !bunconn.Set(q, rec) {
		return v.refused(fmt.Sprintf("a %T can't be recorded", q))
	}
	return nil
}

// notTakenApart says in the words of who reads an error what Split has said.
func notTakenApart(err error) string {
	var e *sqltext.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return fmt.Sprintf("it can't be taken apart: %s at byte %d", e.Reason, e.Offset)
}

// connOf returns the connection of a query, or says why a recorder can't take
// its place.
func (h *Hook) connOf(q bunconn.Query) (conn bun.IConn, reason string) {
	conn, err := bunconn.Get(q)
	if err != nil {
		return nil, err.Error()
	}
	if other, ok := conn.(*recorder); ok {
		if other.hook != h {
			return nil, twoHooks
		}
		conn = other.conn // the same hook was added twice
	}
	switch conn.(type) {
	case nil:
		if resolver, elsewhere := bunconn.WritesElsewhere(q.DB()); elsewhere {
			return nil, fmt.Sprintf("the connection resolver %s decides where it runs: run it in a transaction", resolver)
		}
	case *sql.DB, *sql.Tx, *sql.Conn, *Tx:
	default:
		return nil, fmt.Sprintf("it runs on a %T, which may be a pool or a transaction: use a *bun.DB, bun.Tx or bun.Conn", conn)
	}
	return conn, ""
}

// disarm takes away the guard that Model has put on a query.
func disarm(q bunconn.Query) {
	if conn, err := bunconn.Get(q); err == nil {
		if g, ok := conn.(*guard); ok {
			bunconn.Set(q, g.conn)
		}
	}
}

// Check reports what would keep the hook from recording: tags that can't be
// read, a sink that isn't ready, an audited table that the database doesn't have
// or that lacks a column of its model, a second audit hook on the same
// [bun.DB]; and, where Config.Models lists models, those on the list without a
// tag, and audited ones that Bun has met since and that aren't on it. It asks
// every database that the hook was added to, and changes nothing. Call it at
// start-up, and once more at the end of the tests of your service.
func (h *Hook) Check(ctx context.Context) error {
	h.mu.Lock()
	dbs, shares := slices.Clone(h.dbs), h.shares
	h.mu.Unlock()
	if len(dbs) == 0 {
		return errors.New("bunaudit: check: the hook was not added to a *bun.DB yet")
	}
	var errs []error
	if shares {
		errs = append(errs, errors.New("bunaudit: check: "+twoHooks))
	}
	for _, db := range dbs {
		r := h.registry(db)
		errs = append(errs, r.check(), r.checkListed(), r.checkTables(ctx))
		if c, ok := h.cfg.Sink.(sink.Checker); ok {
			errs = append(errs, c.Check(ctx, &Tx{IConn: db.DB, db: db}))
		}
		if _, err := bunconn.Get(db.NewUpdate()); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
