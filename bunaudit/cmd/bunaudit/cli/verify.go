package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// finding is one as --json prints it.
type finding struct {
	Table  string      `json:"table"`
	Kind   string      `json:"kind"`
	Key    sink.Values `json:"key"`
	Fields []field     `json:"fields,omitempty"`
	Last   string      `json:"last_event,omitempty"`
}

type field struct {
	Field   string          `json:"field"`
	History json.RawMessage `json:"history,omitempty"`
	Table   json.RawMessage `json:"table,omitempty"`
	Mask    sink.Mask       `json:"mask,omitempty"`
}

func (c *command) verify() *cobra.Command {
	var key []string
	cmd := &cobra.Command{
		Use:   "verify [table]",
		Short: "Find rows that were changed behind the hook's back",
		Long: `Replay history and compare it with the table: one, or those of all models. It prints each row that differs, that history doesn't
know, or that the table no longer has, and exits with 1 where there are some.`,
		Example: c.example("verify", "verify customers --key id=2 --json"),
		Args:    upToOneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.knowsModels(); err != nil {
				return err
			}
			q, err := c.parse(&filter{key: key}, args)
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(db *bun.DB) error {
				tables, err := c.tables(db, args)
				if err != nil {
					return err
				}
				return c.printFindings(cmd.Context(), db, tables, q.key)
			})
		},
	}
	cmd.Flags().StringArrayVar(&key, "key", nil, "this row alone: column=value, as in history")
	return cmd
}

func (c *command) printFindings(ctx context.Context, db *bun.DB, tables []table, of key) error {
	g := newGrid(c.out, "TABLE", "KEY", "FINDING", "FIELD", "HISTORY", "TABLE HAS")
	n, heard := 0, 0
	for _, t := range tables {
		of := c.scope(of.of(t.read))
		bar := c.bar(unknown, "rows of "+t.name, "rows")
		g.before = bar.clear
		for f, err := range t.query(db, of).Verify(ctx, retrieval.VerifyOptions{HashKey: c.cfg.HashKey, Progress: bar.set}) {
			if err == nil {
				n++
				err = c.printFinding(g, t.name, f)
			}
			if err != nil {
				return errors.Join(err, g.flush())
			}
		}
		bar.clear()
		if of.key != nil && n == 0 { // a slip of the finger is not fine
			events, err := t.query(db, of).Count(ctx)
			if err != nil {
				return err
			}
			heard += events
		}
	}
	if err := g.flush(); err != nil {
		return err
	}
	switch {
	case n > 0:
		return fmt.Errorf("rows that differ from their history: %d", n)
	case of.values != nil && heard == 0:
		return errors.New("there is no such row, nor has there been one, as far as history goes back")
	}
	if c.json {
		return nil
	}
	_, err := fmt.Fprintln(c.out, "fine: every row is as its history says")
	return err
}

func (c *command) printFinding(g *grid, name string, f retrieval.Finding) error {
	if c.json {
		g.before()
		out := finding{Table: name, Kind: string(f.Kind), Key: f.Key, Last: f.Last.ID}
		for _, d := range f.Fields {
			out.Fields = append(out.Fields, field{d.Field, d.OldJSON, d.NewJSON, d.Mask})
		}
		return c.line(out)
	}
	fields := f.Fields
	if len(fields) == 0 {
		fields = []retrieval.FieldDiff{{}}
	}
	for _, d := range fields {
		if err := g.row(name, text(f.Key), string(f.Kind), d.Field, masked(d.OldJSON, d.Mask), masked(d.NewJSON, d.Mask)); err != nil {
			return err
		}
	}
	return nil
}
