package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
)

// recorded is the result of baseline as --json prints it.
type recorded struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

func (c *command) baseline() *cobra.Command {
	var by who
	var opts retrieval.BaselineOptions
	var yes bool
	cmd := &cobra.Command{
		Use:   "baseline [table]",
		Short: "Put rows on record that are older than the audit",
		Long: `Record each row that history doesn't know as a whole, of one table or those of all models, in batches that wait for nobody.
Interrupted, it can be run again.`,
		Example: c.example(`baseline customers --actor ops --reason "go live" --yes`),
		Args:    upToOneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.knowsModels(); err != nil {
				return err
			}
			switch {
			case opts.BatchSize < 0:
				return Usage("--batch can't be negative")
			case !yes:
				return Usage("it writes events: say --yes")
			}
			return c.with(cmd.Context(), func(db *bun.DB) error {
				tables, err := c.tables(db, args)
				if err != nil {
					return err
				}
				for _, t := range tables {
					if err := c.record(by.context(cmd.Context()), db, t, opts); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	by.add(cmd)
	cmd.Flags().BoolVar(&opts.All, "all", false, "every row, also those whose history is complete")
	cmd.Flags().IntVar(&opts.BatchSize, "batch", 0, "rows in one transaction (default 1000)")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// record says how many rows it has recorded, also where an error ended it.
func (c *command) record(ctx context.Context, db *bun.DB, t table, opts retrieval.BaselineOptions) error {
	total := int64(unknown)
	if c.watched() {
		if err := db.NewSelect().TableExpr("?", bun.Ident(t.name)).ColumnExpr("count(*)").Scan(ctx, &total); err != nil {
			return err
		}
	}
	bar := c.bar(total, "rows of "+t.name, "rows")
	opts.HashKey, opts.Progress = c.cfg.HashKey, bar.set
	n, err := t.query(db, c.scope(key{})).Baseline(ctx, opts)
	bar.clear()
	return c.outcome(n, err, recorded{t.name, n}, printable(t.name)+": "+many(n, "row")+" recorded")
}
