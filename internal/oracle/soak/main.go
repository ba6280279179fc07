// Command soak runs random programs on a database until time is up, and fails
// where the audit and the database's own record differ:
//
//	go run ./internal/oracle/soak -for 1h -db postgres
//
// The last line is
//
//	soak: 123456 statements, 234567 events, 0 differences
//
// A difference is printed with its seed and the smallest program that shows it;
// -seed runs it again. PostgreSQL is the one at BUNAUDIT_TEST_POSTGRES, where a
// schema is created for the run; SQLite needs nothing. A server that can be
// restarted, see internal/testdb/server, is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/internal/oracle"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

var errDiffers = errors.New("the records differ")

type settings struct {
	length  time.Duration
	seed    uint64
	rounds  int
	options oracle.Options
	restart bool
	kinds   bool

	separate bool
}

func run() error {
	var s settings
	flag.DurationVar(&s.length, "for", 30*time.Second, "how long, shared by the databases")
	names := flag.String("db", "", "databases, as in sqlite,postgres; by default every one that can be had")
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "seed of the first round; the next has the next")
	flag.IntVar(&s.rounds, "rounds", 0, "stop after this many rounds; 0 is no limit")
	flag.IntVar(&s.options.Clients, "clients", 8, "clients side by side")
	flag.IntVar(&s.options.Blocks, "blocks", 25, "blocks of statements for each client in a round")
	flag.BoolVar(&s.options.Kill, "kill", true, "end connections from the server's side now and then")
	flag.BoolVar(&s.restart, "restart", true, "restart the server in a tenth of the rounds, where it takes orders")
	flag.BoolVar(&s.options.Interrupt, "interrupt", false, "cancel contexts on SQLite too, where its driver does not bear it")
	flag.BoolVar(&s.separate, "separate", false, "record by separate statements on PostgreSQL too")
	flag.BoolVar(&s.kinds, "kinds", false, "print how often each kind of statement was run")
	flag.Parse()

	pgdriver.Logger = quiet{}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	backends, err := choose(*names)
	if err != nil {
		return err
	}
	var total tally
	for _, b := range backends {
		fmt.Printf("soak: %s for %s from seed %d\n", b.name, s.length/time.Duration(len(backends)), s.seed)
		one := s
		one.length /= time.Duration(len(backends))
		if err := one.soak(ctx, b, &total); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	fmt.Println(total)
	if total.differences > 0 {
		return errDiffers
	}
	return nil
}

// quiet is a log of pgdriver that says nothing: that connections fail is what
// the command sees to.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

type tally struct{ statements, events, differences int }

func (t tally) String() string {
	return fmt.Sprintf("soak: %d statements, %d events, %d differences", t.statements, t.events, t.differences)
}

// soak runs rounds on one database, to the first difference.
func (s settings) soak(ctx context.Context, b backend, total *tally) error {
	w, done, err := b.open(ctx, s.separate)
	if err != nil {
		return err
	}
	defer done()
	end, progress := time.Now().Add(s.length), time.Now().Add(10*time.Second)
	for round := 0; (round == 0 || time.Now().Before(end)) && (s.rounds == 0 || round < s.rounds); round++ {
		s.options.Seed, s.options.Control = s.seed+uint64(round), ""
		if s.restart && s.options.Seed%10 == 0 {
			s.options.Control = b.control
		}
		report, err := w.Round(ctx, s.options)
		if err != nil {
			return fmt.Errorf("seed %d: %w", s.options.Seed, err)
		}
		total.statements += report.Statements
		total.events += report.Events
		total.differences += len(report.Differences)
		if len(report.Differences) > 0 {
			explain(ctx, w, b, report)
			return nil
		}
		if time.Now().After(progress) {
			fmt.Printf("%s: %s, round %d\n", total, b.name, round+1)
			progress = time.Now().Add(10 * time.Second)
		}
	}
	if s.kinds {
		printKinds(w)
	}
	return nil
}

// explain prints a difference, and the smallest program that shows it.
func explain(ctx context.Context, w *oracle.World, b backend, report *oracle.Report) {
	fmt.Printf("\n%s, seed %d:\n%s\n", b.name, report.Options.Seed, strings.Join(report.Differences, "\n"))
	program, differences, ok := w.Shrink(ctx, report)
	if ok {
		fmt.Printf("\nThe smallest program that shows a difference, with one client:\n%s\n%s\n", program, strings.Join(differences, "\n"))
	} else {
		fmt.Printf("\nOne client alone does not show it; the blocks that the differences name:\n%s\n", report.Involved(w))
	}
	fmt.Printf("Again: go run ./internal/oracle/soak -db %s -seed %d -rounds 1 -clients %d -blocks %d -kill=%t -interrupt=%t\n\n",
		b.name, report.Options.Seed, report.Options.Clients, report.Options.Blocks, report.Options.Kill, report.Options.Interrupt)
}

func printKinds(w *oracle.World) {
	counts := w.Counts()
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := counts[name]
		fmt.Printf("%7d run, %7d done, %7d refused: %s\n", c.Run, c.Done, c.Refused, name)
	}
}
