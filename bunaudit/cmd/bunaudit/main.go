package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// The exit codes.
const (
	exitFine = iota
	exitFailed
	exitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv("BUNAUDIT_DB"), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run carries out a command line and returns the exit code. db is the database
// where --db gives no other.
func run(ctx context.Context, args []string, db string, stdout, stderr io.Writer) int {
	c := &command{db: db, now: time.Now().UTC(), out: stdout, err: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	_, _ = fmt.Fprintf(stderr, "bunaudit: %s\n", printable(err.Error()))
	var wrong usageError
	var key *retrieval.KeyError
	if errors.As(err, &wrong) || errors.As(err, &key) {
		_, _ = fmt.Fprintln(stderr, "See bunaudit --help.")
		return exitUsage
	}
	return exitFailed
}

// command is what all commands share: the flags of the root, and where to write.
type command struct {
	db, events, schema string
	json               bool

	now      time.Time // which "30d" counts back from
	out, err io.Writer
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bunaudit",
		Short: "Ask an audit trail: what was changed, when and by whom",
		Long: `Ask an audit trail: what was changed, when and by whom.

Exit codes: 0 fine; 1 failed, no such row, or incomplete history; 2 not understood.`,
		Args:              wrongArgs(cobra.NoArgs),
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	given := c.db
	flags := root.PersistentFlags()
	// The default is set afterwards: help would print it.
	flags.StringVar(&c.db, "db", "", "database: postgres://…, mysql://user:password@tcp(host)/name, sqlite:file (or $BUNAUDIT_DB)")
	flags.StringVar(&c.events, "events", sqlsink.DefaultTable, "table of events")
	flags.StringVar(&c.schema, "schema", "", "schema of the table of events")
	flags.BoolVar(&c.json, "json", false, "print JSON, one object a line")
	root.PersistentPreRun = func(*cobra.Command, []string) {
		if c.db == "" {
			c.db = given
		}
	}
	root.AddCommand(c.history(), c.asOf(), c.prune(), c.export(), c.check())
	return root
}

func wrongArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// with opens the database for the time that do takes.
func (c *command) with(do func(db *bun.DB) error) (err error) {
	db, err := open(c.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}

// check is the command that tells whether there is a trail.
func (c *command) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Tell whether the table of events is there, and of this version",
		Args:  wrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(func(db *bun.DB) error {
				if err := sqlsink.New(sqlsink.Table(c.events), sqlsink.Schema(c.schema)).Check(cmd.Context(), db); err != nil {
					return err
				}
				if c.json {
					return c.line(map[string]any{"ok": true})
				}
				_, err := fmt.Fprintln(c.out, "fine: the table of events is there")
				return err
			})
		},
	}
}
