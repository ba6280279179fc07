package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// row is a row as --json prints it.
type row struct {
	Key         sink.Values          `json:"key"`
	Values      sink.Values          `json:"values"`
	Masked      map[string]sink.Mask `json:"masked,omitempty"`
	SoftDeleted bool                 `json:"soft_deleted,omitempty"`
	Incomplete  string               `json:"incomplete,omitempty"`
}

func (c *command) asOf() *cobra.Command {
	var key []string
	var at string
	cmd := &cobra.Command{
		Use:     "as-of table",
		Short:   "Print a row, or a whole table, as it was at some time",
		Example: "  bunaudit as-of customers --key id=2 --at 7d",
		Args:    wrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			build, err := c.parse(&filter{key: key}, args)
			if err != nil {
				return err
			}
			t, err := c.parseTime("--at", at)
			if err != nil {
				return err
			}
			if t.IsZero() {
				return usage("when? say --at: %s", timeForms)
			}
			return c.with(func(db *bun.DB) error {
				q := build(db)
				if key == nil {
					return c.printRows(q.RowsAsOf(cmd.Context(), t))
				}
				return c.printRows(one(cmd.Context(), q, t))
			})
		},
	}
	cmd.Flags().StringArrayVar(&key, "key", nil, "of this row, as in history; without it, of the whole table")
	cmd.Flags().StringVar(&at, "at", "", "when: "+timeForms)
	return cmd
}

// one is the row of the query at a time, in the form of RowsAsOf.
func one(ctx context.Context, q *query, t time.Time) iter.Seq2[retrieval.Row[sink.Values], error] {
	return func(yield func(retrieval.Row[sink.Values], error) bool) { yield(q.RowAsOf(ctx, t)) }
}

// printRows prints the rows, also the incomplete ones, which make it fail in
// the end.
func (c *command) printRows(rows iter.Seq2[retrieval.Row[sink.Values], error]) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	if !c.json {
		_, _ = fmt.Fprintln(w, "KEY\tCOLUMN\tVALUE") // Flush has the error
	}
	var first error
	n := 0
	for r, err := range rows {
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return errors.New("history knows of no such row at that time")
		case err != nil && !errors.Is(err, retrieval.ErrIncomplete):
			return errors.Join(err, w.Flush())
		case err != nil && first == nil:
			first = err
		}
		if n++; n%1000 == 0 {
			_ = w.Flush() // aligning needs memory
		}
		if err := c.printRow(w, r, err); err != nil {
			return err
		}
	}
	return errors.Join(first, w.Flush())
}

func (c *command) printRow(w io.Writer, r retrieval.Row[sink.Values], incomplete error) error {
	if c.json {
		out := row{Key: r.Key, Values: r.Values, Masked: r.Masked, SoftDeleted: r.SoftDeleted}
		if incomplete != nil {
			out.Incomplete = incomplete.Error()
		}
		return c.line(out)
	}
	key := cell(text(r.Key))
	for _, column := range slices.Sorted(maps.Keys(r.Values)) {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", key, cell(column), cell(string(r.Values[column])))
	}
	for _, column := range slices.Sorted(maps.Keys(r.Masked)) {
		_, _ = fmt.Fprintf(w, "%s\t%s\t[%s]\n", key, cell(column), r.Masked[column])
	}
	switch {
	case incomplete != nil:
		_, _ = fmt.Fprintf(w, "%s\t\t(incomplete)\n", key)
	case len(r.Values)+len(r.Masked) == 0: // nothing but its key
		_, _ = fmt.Fprintf(w, "%s\t\t\n", key)
	}
	if r.SoftDeleted {
		_, _ = fmt.Fprintf(w, "%s\t\t(soft-deleted)\n", key)
	}
	return nil
}
