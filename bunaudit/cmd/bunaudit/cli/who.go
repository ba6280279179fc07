package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/sink"
)

// who are the flags that say by whom and why something is done.
type who struct{ actor, reason string }

func (w *who) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.actor, "actor", "", "the ID of who does this; it is recorded")
	cmd.Flags().StringVar(&w.reason, "reason", "", "why; it is recorded")
}

func (w *who) context(ctx context.Context) context.Context {
	if w.actor != "" {
		ctx = bunaudit.WithActor(ctx, sink.Actor{ID: w.actor})
	}
	if w.reason != "" {
		ctx = bunaudit.WithReason(ctx, w.reason)
	}
	return ctx
}
