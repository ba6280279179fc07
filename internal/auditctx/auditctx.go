// Package auditctx keeps in a context who makes a change, why, and what else
// the application says about it. Package bunaudit puts it there and reads it for
// its events; package retrieval reads it for the events that it writes itself.
package auditctx

import (
	"context"
	"errors"
	"maps"

	"github.com/sqlaudit/bun/sink"
)

type (
	actorKey  struct{}
	reasonKey struct{}
	metaKey   struct{}
	probeKey  struct{}
)

// WithActor returns a context that says who makes a change.
func WithActor(ctx context.Context, a sink.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// Actor returns who makes a change, or the zero Actor.
func Actor(ctx context.Context) sink.Actor {
	a, _ := ctx.Value(actorKey{}).(sink.Actor)
	return a
}

// WithReason returns a context that says why a change is made, instead of what
// ctx says.
func WithReason(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

// Reason returns why a change is made, or nothing.
func Reason(ctx context.Context) string {
	s, _ := ctx.Value(reasonKey{}).(string)
	return s
}

// WithMeta returns a context that carries the value under the name, beside what
// ctx carries already.
func WithMeta(ctx context.Context, name, value string) context.Context {
	old := Meta(ctx)
	meta := make(map[string]string, len(old)+1)
	maps.Copy(meta, old)
	meta[name] = value
	return context.WithValue(ctx, metaKey{}, meta)
}

// Meta returns what ctx carries, by name. It must not be changed.
func Meta(ctx context.Context) map[string]string {
	m, _ := ctx.Value(metaKey{}).(map[string]string)
	return m
}

// ErrHeard is how the audit hook refuses a statement that it would have recorded,
// in a context of [Probe].
var ErrHeard = errors.New("the audit hook has heard of the statement")

// Probe returns a context for asking whether a write would be recorded. It is
// done, so that the statement isn't sent where no hook hears of it either.
func Probe(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(context.WithValue(ctx, probeKey{}, true))
	cancel()
	return ctx
}

// Probed reports whether ctx is one of [Probe].
func Probed(ctx context.Context) bool { return ctx.Value(probeKey{}) != nil }
