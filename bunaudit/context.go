package bunaudit

import (
	"context"

	"github.com/sqlaudit/bun/internal/auditctx"
	"github.com/sqlaudit/bun/sink"
)

type skipKey struct{}

// WithActor returns a context whose statements are recorded as a's. It takes
// precedence over [Config.Actor]; the zero Actor gives way to it.
func WithActor(ctx context.Context, a sink.Actor) context.Context {
	return auditctx.WithActor(ctx, a)
}

// WithReason returns a context whose statements are recorded with a reason:
// why the change is made, in words for people. It replaces an earlier reason.
func WithReason(ctx context.Context, reason string) context.Context {
	return auditctx.WithReason(ctx, reason)
}

// WithMeta returns a context whose events carry the value under the name, in
// addition to what ctx carries already; a name that is there is replaced.
func WithMeta(ctx context.Context, name, value string) context.Context {
	return auditctx.WithMeta(ctx, name, value)
}

// Skip returns a context whose statements are not recorded, and not refused
// either. It is the only way to write to an audited table without a record;
// each statement that uses it is logged, with the reason, to [Config.Log].
func Skip(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, skipKey{}, reason)
}

func reasonOf(ctx context.Context) string { return auditctx.Reason(ctx) }

func metaOf(ctx context.Context) map[string]string { return auditctx.Meta(ctx) }

func skipped(ctx context.Context) (reason string, ok bool) {
	reason, ok = ctx.Value(skipKey{}).(string)
	return reason, ok
}

// actorOf returns who makes the change: the context's actor, else the
// configuration's.
func (h *Hook) actorOf(ctx context.Context) (sink.Actor, error) {
	a := auditctx.Actor(ctx)
	if a.IsZero() && h.cfg.Actor != nil {
		var err error
		if a, err = h.cfg.Actor(ctx); err != nil {
			return sink.Actor{}, err
		}
	}
	if a.IsZero() && h.cfg.RequireActor {
		return sink.Actor{}, ErrNoActor
	}
	return a, nil
}
