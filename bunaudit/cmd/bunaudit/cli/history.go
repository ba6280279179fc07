package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

func (c *command) history() *cobra.Command {
	var f filter
	var limit int
	var oldest bool
	cmd := &cobra.Command{
		Use:     "history [table]",
		Short:   "Print what was changed, when and by whom, the newest first",
		Example: c.example("history customers --key id=2 --since 30d", "history --by 42 --json"),
		Args:    upToOneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := c.parse(&f, args)
			if err != nil {
				return err
			}
			if limit < 0 {
				return Usage("--limit: it is negative")
			}
			return c.answer(cmd.Context(), q, noEvent, func(db *bun.DB) (int, error) {
				events := q.query(db).Limit(limit)
				if !oldest {
					events.NewestFirst()
				}
				if c.json {
					return events.WriteJSONLines(cmd.Context(), c.out)
				}
				return c.printHistory(cmd.Context(), events, f.fields)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many events; 0 for all")
	cmd.Flags().BoolVar(&oldest, "oldest-first", false, "begin with the oldest event")
	return cmd
}

// printHistory prints a line for each changed field, and returns how many. An event
// that has none, such as a truncation, is a line too.
func (c *command) printHistory(ctx context.Context, q *query, fields []string) (int, error) {
	g := newGrid(c.out, "TIME", "OP", "TABLE", "KEY", "FIELD", "OLD", "NEW", "ACTOR", "REASON")
	for e, err := range q.Events(ctx) {
		if err != nil {
			return g.rows, errors.Join(err, g.flush())
		}
		changes := e.Fields()
		if fields != nil {
			changes = slices.DeleteFunc(changes, func(ch retrieval.Change) bool { return !slices.Contains(fields, ch.Field) })
		}
		if len(changes) == 0 {
			changes = []retrieval.Change{{}}
		}
		for _, ch := range changes {
			was, is := masked(ch.OldJSON, ch.Mask), masked(ch.NewJSON, ch.Mask)
			switch { // where there was no row no value is hidden
			case e.Op == sink.Insert || e.Op == sink.Snapshot:
				was = ""
			case e.Op == sink.Delete && !e.Soft:
				is = ""
			}
			err := g.row(e.Time.UTC().Format(time.RFC3339), string(e.Op), e.Table, text(e.Key), ch.Field, was, is, actor(e.Actor), e.Reason)
			if err != nil {
				return g.rows, err
			}
		}
	}
	return g.rows, g.flush()
}
