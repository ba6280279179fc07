package bunaudit

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/bunconn"
	"github.com/sqlaudit/bun/sink"
)

// letPass lets a statement through that can't be recorded, with an event that
// says so: in the statement's own transaction where a recorder can take its
// connection's place.
func (h *Hook) letPass(
	ctx context.Context, q bunconn.Query, r *registry, v verdict, event *bun.QueryEvent, reason *UncapturableError,
) context.Context {
	if q != nil && r.dialect != nil && v.plan != nil && !r.dialect.commits(v.verb) {
		if conn, no := h.connOf(q); no == "" {
			bunconn.Set(q, &recorder{
				hook: h, registry: r, query: q, db: q.DB(), conn: conn,
				plan: v.plan, plans: v.plans, text: event.Query, opaque: reason,
			})
			return ctx
		}
	}
	h.counts.count(ctx, v.table, wasOpaque, h.writeOpaque(ctx, r, v, event.DB, reason))
	h.warn(ctx, reason)
	return ctx
}

func (h *Hook) warn(ctx context.Context, reason *UncapturableError) {
	h.cfg.Log.WarnContext(ctx, "bunaudit: let a statement pass that can't be recorded",
		"table", reason.Table, "operation", reason.Op, "reason", reason.Reason)
}

// opaqueTimeout bounds the wait for a connection to write an event on that has
// no transaction to be written in.
const opaqueTimeout = 5 * time.Second

// writeOpaque writes the events of a statement on whose connection nothing can
// be written. It returns how many were written.
func (h *Hook) writeOpaque(ctx context.Context, r *registry, v verdict, db *bun.DB, reason *UncapturableError) int {
	failed := func(err any) int {
		h.cfg.Log.ErrorContext(ctx, "bunaudit: the event of a statement that was let pass is not on record",
			"table", reason.Table, "operation", reason.Op, "error", err)
		return 0
	}
	if v.plan == nil || r.dialect == nil {
		return failed("there is no model or no support for the database")
	}
	// The statement may hold the last connection itself, or the lock of a
	// database with one writer.
	s := db.Stats()
	if s.InUse > 0 && (s.InUse == s.MaxOpenConnections || r.dialect.singleWriter()) {
		return failed("no connection is free")
	}
	ctx, cancel := context.WithTimeout(ctx, opaqueTimeout)
	defer cancel()
	rec := &recorder{hook: h, registry: r, db: db, plan: v.plan, plans: v.plans, opaque: reason}
	actor, err := h.actorOf(ctx)
	if err != nil {
		return failed(err)
	}
	u, err := h.beginOnPool(ctx, db, db.DB, r.dialect)
	if err != nil {
		return failed(err)
	}
	events := rec.events(ctx, u, actor, nil, &outcome{whole: sink.Opaque, opaque: reason})
	if err := rec.write(ctx, u, events); err != nil {
		u.rollback(ctx)
		return failed(err)
	}
	if err := u.commit(ctx); err != nil {
		return failed(err)
	}
	return len(events)
}
