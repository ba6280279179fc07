// Package auditctx keeps in a context who makes a change, why, and what else
// the application says about it. Package bunaudit puts it there and reads it for
// its events; package retrieval reads it for the events that it writes itself.
package auditctx

import (
	"context"
	"maps"

	"github.com/sqlaudit/bun/sink"
)

type (
	actorKey  struct{}
	reasonKey struct{}
	metaKey   struct{}
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
