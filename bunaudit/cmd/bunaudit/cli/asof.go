package cli

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
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
		Example: c.example("as-of customers --key id=2 --at 7d", "as-of customers --at 2026-01-02 --json > customers.jsonl"),
		Args:    oneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := c.parse(&filter{key: key}, args)
			if err != nil {
				return err
			}
			t, err := c.parseTime("--at", at)
			if err != nil {
				return err
			}
			if t.IsZero() {
				return Usage("when? say --at: %s", timeForms)
			}
			none := fmt.Sprintf("history knows of no row of %s at that time", printable(q.table))
			if key != nil {
				none = "" // which is an error
			}
			return c.answer(cmd.Context(), q, none, func(db *bun.DB) (int, error) {
				rows := q.query(db).RowsAsOf(cmd.Context(), t)
				if key != nil {
					rows = one(cmd.Context(), q.query(db), t)
				}
				out, done := c.output()
				defer done()
				return c.printRows(out, rows)
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

// printRows prints the rows, also the incomplete ones, which make it fail in the
// end, and returns how many.
func (c *command) printRows(out io.Writer, rows iter.Seq2[retrieval.Row[sink.Values], error]) (int, error) {
	g := newGrid(out, "KEY", "COLUMN", "VALUE")
	var first error
	n := 0
	for r, err := range rows {
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return n, fmt.Errorf("%w at that time", errNoRow)
		case err != nil && !errors.Is(err, retrieval.ErrIncomplete):
			return n, errors.Join(err, g.flush())
		case err != nil && first == nil:
			first = err
		}
		n++
		if c.json {
			err = writeLine(out, rowJSON(r, err))
		} else {
			err = printRow(g, r, err)
		}
		if err != nil {
			return n, err
		}
	}
	if c.json {
		return n, first
	}
	return n, errors.Join(first, g.flush())
}

func rowJSON(r retrieval.Row[sink.Values], incomplete error) row {
	out := row{Key: r.Key, Values: r.Values, Masked: r.Masked, SoftDeleted: r.SoftDeleted}
	if incomplete != nil {
		out.Incomplete = incomplete.Error()
	}
	return out
}

func printRow(g *grid, r retrieval.Row[sink.Values], incomplete error) error {
	key := text(r.Key)
	var err error
	line := func(column, value string) { err = errors.Join(err, g.row(key, column, value)) }
	for _, column := range slices.Sorted(maps.Keys(r.Values)) {
		line(column, string(r.Values[column]))
	}
	for _, column := range slices.Sorted(maps.Keys(r.Masked)) {
		line(column, masked(nil, r.Masked[column]))
	}
	switch {
	case incomplete != nil:
		line("", "(incomplete)")
	case len(r.Values)+len(r.Masked) == 0: // nothing but its key
		line("", "")
	}
	if r.SoftDeleted {
		line("", "(soft-deleted)")
	}
	return err
}
