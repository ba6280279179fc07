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
// -seed runs it again. PostgreSQL and MariaDB are those at BUNAUDIT_TEST_POSTGRES
// and BUNAUDIT_TEST_MARIADB, where a schema is created for the run; SQLite needs
// nothing. A server that can be restarted, see internal/testdb/server, is. With -via
// kafka the events go by way of the broker at BUNAUDIT_TEST_KAFKA.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/bunaudit"
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
	kafka   string // the address of a broker that events go by way of, or ""
}

func run() error {
	var s settings
	flag.DurationVar(&s.length, "for", 30*time.Second, "how long, shared by the databases")
	names := flag.String("db", "", "databases, as in sqlite,mariadb; by default every one that can be had")
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "seed of the first round; the next has the next")
	flag.IntVar(&s.rounds, "rounds", 0, "stop after this many rounds; 0 is no limit")
	flag.IntVar(&s.options.Clients, "clients", 8, "clients side by side")
	flag.IntVar(&s.options.Blocks, "blocks", 25, "blocks of statements for each client in a round")
	flag.BoolVar(&s.options.Kill, "kill", true, "end connections from the server's side now and then")
	flag.BoolVar(&s.restart, "restart", true, "restart the server in a tenth of the rounds, where it takes orders")
	flag.BoolVar(&s.options.Interrupt, "interrupt", false, "cancel contexts on SQLite too, where its driver does not bear it")
	way := flag.String("way", "", "how PostgreSQL records: one, in one statement, separate, or both in turn")
	via := flag.String("via", "", "kafka: compare what a mirror of the topic has, and not what the audit has written")
	flag.BoolVar(&s.kinds, "kinds", false, "print how often each kind of statement was run")
	flag.Parse()
	switch *via {
	case "":
	case "kafka":
		if s.kafka = os.Getenv(kafkaEnv); s.kafka == "" {
			return errors.New(kafkaEnv + " is not the address of a broker")
		}
	default:
		return fmt.Errorf("events can't go via %q: there is kafka", *via)
	}

	pgdriver.Logger = quiet{}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	backends, err := choose(*names, *way)
	if err != nil {
		return err
	}
	var total tally
	for _, b := range backends {
		fmt.Printf("soak: %s for %s from seed %d\n", b, s.length/time.Duration(len(backends)), s.seed)
		one := s
		one.length /= time.Duration(len(backends))
		if err := one.soak(ctx, b, &total); err != nil {
			return fmt.Errorf("%s: %w", b, err)
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

type tally struct {
	statements, events, differences int

	kinds map[string]oracle.Count
}

func (t tally) String() string {
	return fmt.Sprintf("soak: %d statements, %d events, %d differences", t.statements, t.events, t.differences)
}

// soak runs rounds on one database, to the first difference.
func (s settings) soak(ctx context.Context, b backend, total *tally) error {
	end, progress := time.Now().Add(s.length), time.Now().Add(10*time.Second)
	more := func(round int) bool {
		return (round == 0 || time.Now().Before(end)) && (s.rounds == 0 || round < s.rounds)
	}
	for round := 0; more(round); {
		w, done, err := b.open(ctx, oracle.Setup{
			Seed:  s.seed + uint64(round),
			Kafka: s.kafka,
			// What comes for the first time, and in transactions, is not prepared.
			Configure: func(cfg *bunaudit.Config) { cfg.SeparateStatements, cfg.Prepare = b.separate, !b.separate },
		})
		if err != nil {
			return err
		}
		for ; more(round) && w.Fits(s.seed+uint64(round)); round++ {
			differs, err := s.round(ctx, w, b, s.seed+uint64(round), total)
			if err != nil || differs {
				done()
				return err
			}
			if time.Now().After(progress) {
				fmt.Printf("%s: %s, round %d\n", total, b, round+1)
				progress = time.Now().Add(10 * time.Second)
			}
		}
		total.add(w.Counts())
		done()
	}
	if s.kinds {
		total.printKinds()
	}
	return nil
}

// round runs one round, and reports whether the records differ.
func (s settings) round(ctx context.Context, w *oracle.World, b backend, seed uint64, total *tally) (differs bool, err error) {
	o := s.options
	o.Seed = seed
	if s.restart && seed%10 == 0 {
		o.Control = b.control
	} else if seed%4 == 1 {
		o.Moments = 3
	}
	report, err := w.Round(ctx, o)
	if err != nil {
		return false, fmt.Errorf("seed %d: %w", seed, err)
	}
	total.statements += report.Statements
	total.events += report.Events
	total.differences += len(report.Differences)
	if len(report.Differences) == 0 {
		return false, nil
	}
	s.explain(ctx, w, b, report)
	return true, nil
}

// explain prints a difference, and the smallest program that shows it.
func (s settings) explain(ctx context.Context, w *oracle.World, b backend, report *oracle.Report) {
	fmt.Printf("\n%s, seed %d:\n%s\n", b, report.Options.Seed, strings.Join(report.Differences, "\n"))
	program, differences, ok := w.Shrink(ctx, report)
	if ok {
		fmt.Printf("\nThe smallest program that shows a difference, with one client:\n%s\n%s\n", program, strings.Join(differences, "\n"))
	} else {
		fmt.Printf("\nOne client alone does not show it; the blocks that the differences name:\n%s\n", report.Involved(w))
	}
	way := "one"
	if b.separate {
		way = "separate"
	}
	via := ""
	if s.kafka != "" {
		via = " -via kafka"
	}
	fmt.Printf("Again: go run ./internal/oracle/soak -db %s -way %s -seed %d -rounds 1 -clients %d -blocks %d -kill=%t -interrupt=%t%s\n\n",
		b.name, way, report.Options.Seed, report.Options.Clients, report.Options.Blocks, report.Options.Kill, report.Options.Interrupt, via)
}

func (t *tally) add(counts map[string]oracle.Count) {
	if t.kinds == nil {
		t.kinds = map[string]oracle.Count{}
	}
	for name, c := range counts {
		sum := t.kinds[name]
		t.kinds[name] = oracle.Count{Run: sum.Run + c.Run, Done: sum.Done + c.Done, Refused: sum.Refused + c.Refused}
	}
}

func (t *tally) printKinds() {
	for _, name := range slices.Sorted(maps.Keys(t.kinds)) {
		c := t.kinds[name]
		fmt.Printf("%7d run, %7d done, %7d refused: %s\n", c.Run, c.Done, c.Refused, name)
	}
}
