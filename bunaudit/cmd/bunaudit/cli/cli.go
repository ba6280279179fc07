package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/retrieval"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// The exit codes.
const (
	exitFine = iota
	exitFailed
	exitUsage
)

// Config is what a program knows.
type Config struct {
	// Name is what the program is called in its help and errors. Empty: what its file
	// is called.
	Name string

	// Models are those that verify, baseline and revert are for. Nil: these say
	// that they need some.
	Models []Model

	// Open opens the database as the program does it, with the audit hook, by which
	// what revert does is recorded. name is that of --db or of the environment
	// variable BUNAUDIT_DB, or empty. It is called once, and not for help or a
	// mistake; an error that [Usage] makes is a mistake, too. The database
	// is closed in the end. Required.
	Open func(ctx context.Context, name string) (*bun.DB, error)

	// Databases says in the help of --db what names look like. Empty: nothing.
	Databases string

	// Check is asked by check besides: the audit hook's Check, say, which knows
	// what would keep it from recording. Nil: nothing is.
	Check func(ctx context.Context) error

	// HashKey is the hook's, for columns tagged audit:hash. Nil: they are not
	// compared, and baseline refuses models that have some.
	HashKey []byte
}

// Main carries out the command line of the program, and ends it with the exit
// code. An interrupt or SIGTERM ends a long work cleanly: of baseline and prune the
// batches before are done, of everything else nothing. A second one ends the
// program at once.
func Main(cfg Config) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := Run(ctx, cfg, os.Args[1:], os.Getenv("BUNAUDIT_DB"), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage returns an error that is a mistake in the command line, for the exit code
// 2.
func Usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run carries out a command line and returns the exit code. db is the name of the
// database where --db gives no other.
func Run(ctx context.Context, cfg Config, args []string, db string, stdout, stderr io.Writer) int {
	if cfg.Name == "" {
		cfg.Name = filepath.Base(os.Args[0])
	}
	c := &command{cfg: cfg, db: db, now: time.Now().UTC(), out: stdout, err: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitFine
	}
	message := printable(err.Error())
	if ctx.Err() != nil {
		message = "interrupted: " + message
	}
	_ = c.note(message)
	var wrong usageError
	var key *retrieval.KeyError
	var field *retrieval.UnknownFieldError
	if errors.As(err, &wrong) || errors.As(err, &key) || errors.As(err, &field) {
		_, _ = fmt.Fprintf(stderr, "See %s --help.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// command is what all commands share: the flags of the root, and where to write.
type command struct {
	cfg                Config
	db, events, schema string
	json               bool

	now      time.Time // which "30d" counts back from
	out, err io.Writer
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   c.cfg.Name,
		Short: "Ask an audit trail: what was changed, when and by whom",
		Long: `Ask an audit trail: what was changed, when and by whom.

Exit codes: 0 fine; 1 failed, no such row, incomplete history, or verify found something; 2 not understood.`,
		Args:              knownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},

		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	given := c.db
	flags := root.PersistentFlags()
	database := "database"
	if c.cfg.Databases != "" {
		database += ": " + c.cfg.Databases
	}
	// The default is set afterwards: help would print it.
	flags.StringVar(&c.db, "db", "", database+" (default $BUNAUDIT_DB)")
	flags.StringVar(&c.events, "events", sqlsink.DefaultTable, "table of events")
	flags.StringVar(&c.schema, "schema", "", "schema of the table of events")
	flags.BoolVar(&c.json, "json", false, "print JSON, one object a line")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.db == "" {
			c.db = given
		}
		if err := (eventrow.Table{Schema: c.schema, Name: c.events}).Validate(); err != nil {
			return Usage("--events, --schema: %w", err)
		}
		return nil
	}
	root.AddCommand(c.history(), c.asOf(), c.diff(), c.verify(), c.baseline(), c.revert(), c.prune(), c.partitions(), c.export(), c.check())
	return root
}

// example makes examples of command lines.
func (c *command) example(lines ...string) string {
	return "  " + c.cfg.Name + " " + strings.Join(lines, "\n  "+c.cfg.Name+" ")
}

// with opens the database for the time that do takes.
func (c *command) with(ctx context.Context, do func(db *bun.DB) error) (err error) {
	if c.cfg.Open == nil {
		return errors.New("the program can't open a database: its Config has no Open")
	}
	db, err := c.cfg.Open(ctx, c.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("the database can't be used: %w", err)
	}
	err = do(db)
	if err == nil || errors.As(err, new(usageError)) || ctx.Err() != nil {
		return err
	}
	// Without a table of events everything fails, by the words of each database.
	if missing := c.sink().Check(ctx, db); errors.Is(missing, sqlsink.ErrNoTable) {
		return fmt.Errorf("%w; if it is another table, name it by --events and --schema", missing)
	}
	return err
}

// sink is that of the table of events.
func (c *command) sink() *sqlsink.Sink {
	return sqlsink.New(sqlsink.Table(c.events), sqlsink.Schema(c.schema))
}

// check is the command that tells whether there is a trail.
func (c *command) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Tell whether the table of events is there, and of this version",
		Args:  noTable,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *bun.DB) error {
				if err := c.sink().Check(cmd.Context(), db); err != nil {
					return err
				}
				if c.cfg.Check != nil {
					if err := c.cfg.Check(cmd.Context()); err != nil {
						return err
					}
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
