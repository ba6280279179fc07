package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// partition is one as --json prints it.
type partition struct {
	Name   string    `json:"name"`
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	Events int64     `json:"events"`
	Bytes  int64     `json:"bytes"`
	State  string    `json:"state,omitempty"`
}

func (c *command) partitions() *cobra.Command {
	var ahead int
	var before string
	var opts sqlsink.DetachOptions
	var yes bool
	cmd := &cobra.Command{
		Use:   "partitions",
		Short: "List the months of the table of events on PostgreSQL, make new ones and take old ones away",
		Long: `List the partitions of the table of events. --add makes those of the coming months, --detach-before shows which months are over
by then, and with --yes takes them away: each stays as a table of its own, unless --drop drops it with its events.`,
		Example: c.example("partitions", "partitions --add 3 --detach-before 540d --drop --yes   # each night"),
		Args:    noTable,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cut, err := c.parseTime("--detach-before", before)
			switch {
			case err != nil:
				return err
			case ahead < 0:
				return Usage("--add: it is negative")
			case cut.IsZero() && (opts.Drop || yes):
				return Usage("--drop and --yes are about months to detach: say --detach-before")
			}
			opts.DryRun = !yes
			return c.with(cmd.Context(), func(db *bun.DB) error {
				s := c.sink()
				var added, gone []sqlsink.Partition
				if cmd.Flags().Changed("add") {
					if added, err = s.AddPartitions(cmd.Context(), db, ahead); err != nil {
						return err
					}
				}
				if !cut.IsZero() {
					if gone, err = s.DetachPartitions(cmd.Context(), db, cut, opts); err != nil {
						return err
					}
				}
				all, err := s.Partitions(cmd.Context(), db)
				if err != nil {
					return err
				}
				return c.printPartitions(all, added, gone, opts)
			})
		},
	}
	cmd.Flags().IntVar(&ahead, "add", 0, "make what is missing of this month's partition and of so many after it")
	cmd.Flags().StringVar(&before, "detach-before", "", "months that were over by then: "+timeForms)
	cmd.Flags().BoolVar(&opts.Drop, "drop", false, "drop them, with their events")
	cmd.Flags().BoolVar(&yes, "yes", false, "detach them")
	return cmd
}

// printPartitions prints those that there are, and those that are gone.
func (c *command) printPartitions(all, added, gone []sqlsink.Partition, opts sqlsink.DetachOptions) error {
	state := map[string]string{}
	for _, p := range added {
		state[p.Name] = "added"
	}
	word := "detached"
	switch {
	case opts.DryRun:
		word = "to be detached" // and still listed
	case opts.Drop:
		word = "dropped"
	}
	if !opts.DryRun {
		all = append(gone[:len(gone):len(gone)], all...)
	}
	for _, p := range gone {
		state[p.Name] = word
	}
	g := newGrid(c.out, "PARTITION", "FROM", "UNTIL", "EVENTS (ABOUT)", "BYTES", "STATE")
	for _, p := range all {
		var err error
		if c.json {
			err = c.line(partition{p.Name, p.From, p.Until, p.Events, p.Bytes, state[p.Name]})
		} else {
			err = g.row(p.Name, day(p.From), day(p.Until), fmt.Sprint(p.Events), fmt.Sprint(p.Bytes), state[p.Name])
		}
		if err != nil {
			return err
		}
	}
	if c.json {
		return nil
	}
	return g.end()
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}
