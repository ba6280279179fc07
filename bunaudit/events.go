package bunaudit

import (
	"bytes"
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// events makes an event of every row that really changed, or one of the whole
// statement.
func (r *recorder) events(ctx context.Context, u *unit, actor sink.Actor, c *columns, out *outcome) []sink.Event {
	if len(out.changes) == 0 && out.whole == "" {
		return nil
	}
	common := r.commonEvent(ctx, u, actor)
	if out.whole != "" {
		return r.wholeEvents(common, out)
	}
	common.Table = r.eventTable(c)
	events := make([]sink.Event, 0, len(out.changes))
	for _, ch := range out.changes {
		e := common
		if !r.describe(&e, c, ch) {
			continue
		}
		e.ID = r.hook.cfg.NewID()
		events = append(events, e)
	}
	return events
}

// commonEvent is what all events of a statement have in common.
func (r *recorder) commonEvent(ctx context.Context, u *unit, actor sink.Actor) sink.Event {
	e := sink.Event{
		Time:   u.time(r.hook.cfg.Now()),
		Model:  r.plan.model.Label,
		Actor:  actor,
		Reason: reasonOf(ctx),
		Meta:   metaOf(ctx),
		Tx:     u.id,
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		e.TraceID, e.SpanID = span.TraceID().String(), span.SpanID().String()
	}
	return e
}

// wholeEvents says of each table that the statement as a whole wrote to it.
func (r *recorder) wholeEvents(common sink.Event, out *outcome) []sink.Event {
	common.Op, common.Statement = out.whole, r.stmt.Verb.String()
	tables := out.emptied
	if out.opaque != nil {
		common.Statement = out.opaque.Op
		for _, p := range r.plans {
			tables = append(tables, wholeTable{p, p.model.Table})
		}
		if r.plans == nil {
			tables = []wholeTable{{r.plan, r.plan.model.Table}}
		}
	}
	events := make([]sink.Event, len(tables))
	for i, t := range tables {
		e := common
		e.ID, e.Table, e.Model = r.hook.cfg.NewID(), t.name, t.plan.model.Label
		events[i] = e
	}
	return events
}

// eventTable is the table as events name it: as the model declares it, unless
// the statement names another one (Bun's ModelTableExpr) or another schema.
func (r *recorder) eventTable(c *columns) string {
	target := r.stmt.Target
	same := r.registry.isNamed(r.plan, target)
	if same && (target.Schema == "" || r.plan.schema != "" || target.Schema == r.plan.model.Bun.Schema || c.isModels) {
		return r.plan.model.Table
	}
	return target.String()
}

// describe says what happened to a row, and reports whether anything did.
func (r *recorder) describe(e *sink.Event, c *columns, ch rowChange) bool {
	e.Changes = make(map[string]sink.Change, len(c.tracked))
	switch {
	case ch.old == nil:
		e.Op = sink.Insert
		e.Key = c.keyOf(ch.new)
	case ch.new == nil:
		e.Op = sink.Delete
		e.Key = c.keyOf(ch.old)
	default:
		return r.describeUpdate(e, c, ch)
	}
	for _, t := range c.tracked {
		e.Changes[t.name] = r.change(t, ch)
	}
	return true
}

func (r *recorder) describeUpdate(e *sink.Event, c *columns, ch rowChange) bool {
	e.Op = sink.Update
	e.Key = c.keyOf(ch.new)
	for _, t := range c.tracked {
		if !bytes.Equal(ch.old[t.at], ch.new[t.at]) {
			e.Changes[t.name] = r.change(t, ch)
		}
	}
	if !c.sameKey(ch.old, ch.new) {
		e.OldKey = c.keyOf(ch.old)
		for name, old := range e.OldKey {
			if !bytes.Equal(old, e.Key[name]) {
				e.Changes[name] = sink.Change{Old: old, New: e.Key[name]}
			}
		}
	}
	switch was, is := c.isDeleted(ch.old), c.isDeleted(ch.new); {
	case !was && is:
		e.Op, e.Soft = sink.Delete, true
	case was && !is:
		e.Op, e.Soft = sink.Restore, true
	case len(e.Changes) == 0:
		return false
	}
	return true
}

// change is what an event says of a column.
func (r *recorder) change(t trackedColumn, ch rowChange) sink.Change {
	change := sink.Change{Mask: t.mask}
	if t.mask == sink.Redacted {
		return change
	}
	if ch.old != nil {
		change.Old = ch.old[t.at]
	}
	if ch.new != nil {
		change.New = ch.new[t.at]
	}
	if t.mask == sink.Hashed {
		key := r.hook.cfg.HashKey
		change.Old, change.New = model.Hash(key, change.Old), model.Hash(key, change.New)
	}
	return change
}
