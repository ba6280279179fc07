package cli

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// difference is the result as --json prints it.
type difference struct {
	Was        bool        `json:"was"`
	Is         bool        `json:"is"`
	Fields     []different `json:"fields"`
	Incomplete string      `json:"incomplete,omitempty"`
}

type different struct {
	Field string          `json:"field"`
	Old   json.RawMessage `json:"old,omitempty"`
	New   json.RawMessage `json:"new,omitempty"`
	Mask  sink.Mask       `json:"mask,omitempty"`
}

func (c *command) diff() *cobra.Command {
	var f filter
	cmd := &cobra.Command{
		Use:   "diff table",
		Short: "Print what is different about a row since some time",
		Long: `Print what is different about a row since some time, or between two: what all of its changes have come to. history has each of them.
The row is the one that has the key in the end, under whatever key it was before.`,
		Example: c.example("diff customers --key id=2 --since 7d", "diff customers --key id=2 --since 2026-01-01 --until 2026-02-01 --json"),
		Args:    oneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := c.parse(&filter{key: f.key}, args)
			if err != nil {
				return err
			}
			since, until, err := c.parseTimes(&f)
			switch {
			case err != nil:
				return err
			case q.key.values == nil:
				return Usage("which row? say --key")
			case since.IsZero():
				return Usage("since when? say --since: %s", timeForms)
			case until.IsZero() && since.After(c.now):
				return Usage("--since: that is in the future")
			case until.IsZero():
				until = c.now
			}
			return c.answer(cmd.Context(), q, "", func(db *bun.DB) (int, error) {
				d, err := q.query(db).Diff(cmd.Context(), since, until)
				switch {
				case errors.Is(err, sql.ErrNoRows):
					return 0, fmt.Errorf("%w at either time", errNoRow)
				case err != nil && !errors.Is(err, retrieval.ErrIncomplete):
					return 0, err
				}
				return 1, errors.Join(c.printDiff(d, err), err)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.key, "key", nil, "of this row, as in history")
	flags.StringVar(&f.since, "since", "", "the first time: "+timeForms)
	flags.StringVar(&f.until, "until", "", "the second time (default now)")
	return cmd
}

// printDiff prints what is known of a difference.
func (c *command) printDiff(d retrieval.Diff, incomplete error) error {
	if c.json {
		out := difference{Was: d.Was, Is: d.Is, Fields: []different{}}
		for _, f := range d.Fields {
			out.Fields = append(out.Fields, different{f.Field, f.OldJSON, f.NewJSON, f.Mask})
		}
		if incomplete != nil {
			out.Incomplete = incomplete.Error()
		}
		return c.line(out)
	}
	g := newGrid(c.out, "FIELD", "OLD", "NEW")
	for _, f := range d.Fields {
		was, is := masked(f.OldJSON, f.Mask), masked(f.NewJSON, f.Mask)
		if !d.Was {
			was = ""
		}
		if !d.Is {
			is = ""
		}
		if err := g.row(f.Field, was, is); err != nil {
			return err
		}
	}
	if err := g.flush(); err != nil {
		return err
	}
	note := ""
	switch {
	case incomplete != nil: // which is an error
	case !d.Was:
		note = "the row was not there at the first time"
	case !d.Is:
		note = "the row was not there at the second time"
	case len(d.Fields) == 0:
		note = "nothing is different"
	}
	if note == "" {
		return nil
	}
	return c.note(note)
}
