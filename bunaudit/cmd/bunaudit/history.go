package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
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
		Example: "  bunaudit history customers --key id=2 --since 30d\n  bunaudit history --by 42 --json",
		Args:    wrongArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			build, err := c.parse(&f, args)
			if err != nil {
				return err
			}
			if limit < 0 {
				return usage("--limit: it is negative")
			}
			return c.with(func(db *bun.DB) error {
				q := build(db).Limit(limit)
				if !oldest {
					q.NewestFirst()
				}
				if c.json {
					_, err := q.WriteJSONLines(cmd.Context(), c.out)
					return err
				}
				return c.printHistory(cmd, q, f.fields)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many events; 0 for all")
	cmd.Flags().BoolVar(&oldest, "oldest-first", false, "begin with the oldest event")
	return cmd
}

// printHistory prints a line for each changed field. An event that has none,
// such as a truncation, is a line too.
func (c *command) printHistory(cmd *cobra.Command, q *query, fields []string) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TIME\tOP\tTABLE\tKEY\tFIELD\tOLD\tNEW\tACTOR\tREASON") // Flush has the error
	for e, err := range q.Events(cmd.Context()) {
		if err != nil {
			_ = w.Flush()
			return err
		}
		changes := e.Fields()
		if fields != nil {
			changes = slices.DeleteFunc(changes, func(ch retrieval.Change) bool { return !slices.Contains(fields, ch.Field) })
		}
		if len(changes) == 0 {
			changes = []retrieval.Change{{}}
		}
		for _, ch := range changes {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.UTC().Format(time.RFC3339), e.Op, cell(e.Table), cell(text(e.Key)),
				cell(ch.Field), cell(masked(ch.OldJSON, ch.Mask)), cell(masked(ch.NewJSON, ch.Mask)), cell(actor(e.Actor)), cell(e.Reason))
		}
	}
	return w.Flush()
}

// masked returns a value, or why it isn't there.
func masked(json []byte, mask sink.Mask) string {
	if mask != "" {
		return "[" + string(mask) + "]"
	}
	return string(json)
}

func actor(a sink.Actor) string {
	s := a.ID
	if a.Type != "" {
		s = a.Type + " " + s
	}
	if a.Name != "" {
		s += " (" + a.Name + ")"
	}
	if a.OnBehalfOf != "" {
		s += " for " + a.OnBehalfOf
	}
	return s
}
