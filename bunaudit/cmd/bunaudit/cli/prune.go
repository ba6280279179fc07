package cli

import (
	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
)

// pruned is the result as --json prints it.
type pruned struct {
	Events int64 `json:"events"`
	DryRun bool  `json:"dry_run"`
}

func (c *command) prune() *cobra.Command {
	var f filter
	var opts retrieval.PruneOptions
	var yes bool
	cmd := &cobra.Command{
		Use:   "prune [table]",
		Short: "Count the events that are too old or too many, and with --yes delete them",
		Long: `Count the events that are too old or too many, and with --yes delete them, for good and in batches.
Interrupted, it can be run again. Rows whose first events are gone have an incomplete history.`,
		Example: c.example("prune sessions --until 180d", "prune sessions --keep 1000000 --yes"),
		Args:    upToOneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := c.parse(&f, args)
			switch {
			case err != nil:
				return err
			case opts.Keep < 0 || opts.BatchSize < 0:
				return Usage("--keep and --batch can't be negative")
			case opts.Keep == 0 && f.empty():
				return Usage("that would be the whole history: say --until, --keep or another condition")
			}
			return c.answer(cmd.Context(), q, "", func(db *bun.DB) (int, error) {
				total := int64(unknown)
				if !yes || c.watched() {
					count := opts
					count.DryRun = true
					total, err = q.query(db).Prune(cmd.Context(), count)
				}
				if err != nil || !yes {
					return int(total), c.printPruned(pruned{total, true}, err)
				}
				bar := c.bar(total, "events deleted", "events")
				opts.Progress = bar.set
				n, err := q.query(db).Prune(cmd.Context(), opts)
				bar.clear()
				return int(n), c.printPruned(pruned{n, false}, err)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&opts.Keep, "keep", 0, "keep that many, the newest")
	cmd.Flags().IntVar(&opts.BatchSize, "batch", 0, "events in one transaction (default 1000)")
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	return cmd
}

// printPruned says how many events were deleted, also where an error ended it.
func (c *command) printPruned(p pruned, err error) error {
	text := many(p.Events, "event") + " deleted"
	if p.DryRun {
		text = many(p.Events, "event") + " would be deleted: say --yes to do so"
	}
	return c.outcome(p.Events, err, p, text)
}
