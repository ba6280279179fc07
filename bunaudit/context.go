package bunaudit

import (
	"context"
	"maps"

	"github.com/sqlaudit/bun/sink"
)

type (
	actorKey  struct{}
	reasonKey struct{}
	metaKey   struct{}
	skipKey   struct{}
)

// WithActor returns a context whose statements are recorded as a's. It takes
// precedence over [Config.Actor]; the zero Actor gives way to it.
func WithActor(ctx context.Context, a sink.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// WithReason returns a context whose statements are recorded with a reason:
// why the change is made, in words for people. It replaces an earlier reason.
func WithReason(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

// WithMeta returns a context whose events carry the value under the name, in
// addition to what ctx carries already; a name that is there is replaced.
func WithMeta(ctx context.Context, name, value string) context.Context {
	old := metaOf(ctx)
	meta := make(map[string]string, len(old)+1)
	maps.Copy(meta, old)
	meta[name] = value
	return context.WithValue(ctx, metaKey{}, meta)
}

// Skip returns a context whose statements are not recorded, and not refused
// either. It is the only way to write to an audited table without a record;
// each statement that uses it is logged, with the reason, to [Config.Log].
func Skip(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, skipKey{}, reason)
}

func reasonOf(ctx context.Context) string {
	s, _ := ctx.Value(reasonKey{}).(string)
	return s
}

func metaOf(ctx context.Context) map[string]string {
	m, _ := ctx.Value(metaKey{}).(map[string]string)
	return m
}

func skipped(ctx context.Context) (reason string, ok bool) {
	reason, ok = ctx.Value(skipKey{}).(string)
	return reason, ok
}

// actorOf returns who makes the change: the context's actor, else the
// configuration's.
func (h *Hook) actorOf(ctx context.Context) (sink.Actor, error) {
	a, _ := ctx.Value(actorKey{}).(sink.Actor)
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
