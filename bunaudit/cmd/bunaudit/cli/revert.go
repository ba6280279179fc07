package cli

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// reverted is the result as --json prints it.
type reverted struct {
	Events int  `json:"events"`
	Rows   int  `json:"rows"`
	DryRun bool `json:"dry_run"`
}

func (c *command) revert() *cobra.Command {
	var f filter
	var by who
	var opts retrieval.RevertOptions
	var yes bool
	cmd := &cobra.Command{
		Use:   "revert [table]",
		Short: "Undo the changes of a row, or a transaction",
		Long: `Undo the changes of a row of a table since some time, or a whole transaction with all its tables, in a transaction that is recorded.
Without --yes it is a dry run: it says how many changes that would be, or why it would be refused, with the same exit code. It is refused
where a row has changed since, unless told otherwise by --force.`,
		Example: c.example("revert customers --key id=2 --since 1h --reason typo --yes", `revert --tx 0195e4a0-… --reason "wrong import" --yes`),
		Args:    upToOneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.knowsModels(); err != nil {
				return err
			}
			opts.Reason = by.reason
			build, err := c.undoing(&f, args)
			switch {
			case err != nil:
				return err
			case opts.Reason == "":
				return Usage("why? say --reason, which is recorded")
			}
			return c.with(cmd.Context(), func(db *bun.DB) error {
				tables, err := c.tables(db, args)
				if err != nil {
					return err
				}
				for _, t := range tables { // the tables of a transaction are found by them
					db.RegisterModel(reflect.New(t.typ).Interface())
				}
				return c.undo(by.context(cmd.Context()), func(op sink.Op) audited { return build(db, tables[0], op) }, opts, yes)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.key, "key", nil, "of this row: column=value, as in history")
	flags.StringVar(&f.since, "since", "", "its changes from then on: "+timeForms)
	flags.StringArrayVar(&f.txs, "tx", nil, "this transaction")
	by.add(cmd)
	flags.BoolVar(&opts.Force, "force", false, "also where a row has changed since, and lose that")
	flags.BoolVar(&opts.SkipMasked, "skip-masked", false, "leave columns as they are whose old values are not on record")
	flags.BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// undoing returns what makes the query for the events that are meant, or for those of
// an operation. The table is that of the row, where it is one.
func (c *command) undoing(f *filter, args []string) (func(*bun.DB, table, sink.Op) audited, error) {
	events, err := c.parse(f, args)
	if err != nil {
		return nil, err
	}
	since, err := c.parseTime("--since", f.since)
	if err != nil {
		return nil, err
	}
	ofRow := len(args) == 1 && f.key != nil && !since.IsZero() && len(f.txs) == 0
	ofTx := len(args) == 0 && len(f.txs) == 1 && since.IsZero()
	if !ofRow && !ofTx {
		return nil, Usage("which changes? Those of a row, by a table, --key and --since, or those of a transaction, by --tx alone")
	}
	return func(db *bun.DB, t table, op sink.Op) audited {
		if ofRow {
			s := c.scope(events.key.of(t.read))
			s.since, s.op = since, op
			return t.query(db, s)
		}
		q := events.query(db)
		if op != "" {
			q.Op(op)
		}
		return q
	}, nil
}

func (c *command) undo(ctx context.Context, build func(sink.Op) audited, opts retrieval.RevertOptions, yes bool) error {
	out := reverted{DryRun: !yes}
	var kinds []string
	for _, op := range changes() { // to undo an insert is to delete the row: that is to be seen
		n, err := build(op).Count(ctx)
		if err != nil {
			return err
		}
		if n > 0 {
			out.Events += n
			kinds = append(kinds, many(n, string(op)))
		}
	}
	if out.Events == 0 {
		return errors.New("there is no such change")
	}
	var err error
	opts.DryRun = !yes
	if out.Rows, err = build("").Revert(ctx, opts); err != nil {
		return refused(err)
	}
	what, of := many(out.Events, "change"), many(out.Rows, "row")+" ("+strings.Join(kinds, ", ")+")"
	done := what + " undone, of " + of
	switch {
	case out.Rows == 0:
		done = "nothing to do: of " + what + " nothing is left to undo"
	case !yes:
		done = what + " would be undone, of " + of + ": say --yes to do so"
	}
	return c.outcome(int64(out.Rows), nil, out, done)
}

// refused adds to an error the key of the row that has changed, since a transaction
// may have many, and the flag by which it would be done nevertheless.
func refused(err error) error {
	var conflict *retrieval.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Columns != nil:
		return fmt.Errorf("%w (%s): --force would overwrite that", err, text(conflict.Key))
	case conflict != nil:
		return fmt.Errorf("%w (%s)", err, text(conflict.Key))
	case errors.Is(err, retrieval.ErrMasked):
		return fmt.Errorf("%w: --skip-masked would leave them as they are", err)
	}
	return err
}
