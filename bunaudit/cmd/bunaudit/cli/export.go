package cli

import (
	"github.com/spf13/cobra"
	"github.com/uptrace/bun"
)

func (c *command) export() *cobra.Command {
	var f filter
	var format string
	cmd := &cobra.Command{
		Use:   "export [table]",
		Short: "Write history as JSON Lines or CSV, the oldest first",
		Long: `Write history to the standard output, the oldest first: as JSON Lines, an event a line, or as CSV, a changed field a line.
In CSV an event without changes of fields, such as a truncation, is a line without a field.`,
		Example: c.example("export --since 2026-01-01 --until 2026-02-01 > january.jsonl", "export customers --key id=2 --format csv"),
		Args:    upToOneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := c.parse(&f, args)
			if err != nil {
				return err
			}
			write := (*query).WriteJSONLines
			switch {
			case format == "csv" && c.json:
				return Usage("--format csv and --json: which one?")
			case format == "csv":
				write = (*query).WriteCSV
			case format != "jsonl":
				return Usage("--format: it is jsonl or csv")
			}
			return c.answer(cmd.Context(), q, noEvent, func(db *bun.DB) (int, error) {
				out, done := c.output()
				defer done()
				return write(q.query(db), cmd.Context(), out)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl or csv")
	return cmd
}
