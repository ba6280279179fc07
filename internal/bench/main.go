package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/pgproxy"
)

const serverEnv = "BUNAUDIT_TEST_POSTGRES"

func main() {
	budget := flag.Duration("for", 5*time.Minute, "how long the whole may take, as far as five samples of each line allow")
	only := flag.String("only", "", "a regular expression: the lines to measure")
	growth := flag.String("growth", "", "measure growth instead: numbers of events, separated by spaces")
	keep := flag.Bool("keep", false, "with -growth: leave the filled tables, which the next run then finds")
	into := flag.String("into", "", "documents, separated by commas, in which to replace the table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	work := func() error { return run(ctx, *budget, *only, *into) }
	if *growth != "" {
		work = func() error { return grow(ctx, *growth, *keep, *into) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// condition is where and how the server is reached.
type condition struct {
	name  string
	fsync bool
	delay time.Duration
}

const latency = time.Millisecond

func conditions() []condition {
	return []condition{
		{"loopback", true, 0},
		{"1 ms away", true, latency},
		{"loopback, fsync off", false, 0},
	}
}

// line is one line of the table, and its share of the time.
type line struct {
	workload
	condition
	weight int
}

func (l *line) String() string { return l.workload.name + ", " + l.condition.name }

// lines are the lines whose names match only.
func lines(only string) ([]*line, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var all []*line
	for _, c := range conditions() {
		for _, w := range workloads() {
			l := &line{w, c, 2}
			if w.events > 100 {
				l.weight = 6
				if c.name != "loopback" {
					continue // the same work, in which neither the disk nor the network shows
				}
			}
			if match.MatchString(l.String()) {
				all = append(all, l)
			}
		}
	}
	if all == nil {
		return nil, fmt.Errorf("no line matches %s", only)
	}
	return all, nil
}

func run(ctx context.Context, budget time.Duration, only, into string) (err error) {
	began := time.Now()
	dsn := os.Getenv(serverEnv)
	if dsn == "" {
		return fmt.Errorf("%s is not set: give it the URL of a PostgreSQL that may be thrown away, or run make bench", serverEnv)
	}
	todo, err := lines(only)
	if err != nil {
		return err
	}
	bun.SetLogger(bunaudit.Logger(nil)) // before Bun sees the tags
	t, err := newTrack(dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(context.WithoutCancel(ctx))) }()
	about, err := t.about(ctx)
	if err != nil {
		return err
	}
	fmt.Println(about)

	table := &table{about: about}
	weights := 0
	for _, l := range todo {
		weights += l.weight
	}
	for _, l := range todo {
		if !l.fsync && !t.throwAway {
			fmt.Printf("%s: left out, since fsync of a server that the tests haven't started stays as it is\n", l)
			continue
		}
		left := max(budget-time.Since(began), 0)
		racers, err := t.line(ctx, l, left*time.Duration(l.weight)/time.Duration(weights))
		if err != nil {
			return err
		}
		weights -= l.weight
		fmt.Println(table.add(l, racers))
	}
	fmt.Printf("took %v\n", time.Since(began).Round(time.Second))
	return inEach(into, table.replaceIn)
}

// track is what the contenders share: a server, and the proxy before it.
type track struct {
	contenders []*contender
	admin      *bun.DB
	throwAway  bool // the server is one of ours
	fsync      bool

	proxy *pgproxy.Proxy
	near  []*racer
	far   []*racer
}

func newTrack(dsn string) (t *track, err error) {
	t = &track{contenders: contenders(), fsync: true}
	if t.proxy, err = pgproxy.Start(dsn, latency); err != nil {
		return nil, err
	}
	for _, c := range t.contenders {
		admin, err := c.open(dsn, false)
		if err != nil {
			return nil, err
		}
		near, err := c.open(dsn, true)
		if err != nil {
			return nil, err
		}
		far, err := c.open(t.proxy.DSN(), true)
		if err != nil {
			return nil, err
		}
		t.near = append(t.near, &racer{contender: c, db: near, admin: admin})
		t.far = append(t.far, &racer{contender: c, db: far, admin: admin})
	}
	t.admin = t.near[0].admin
	return t, nil
}

// line measures one line.
func (t *track) line(ctx context.Context, l *line, budget time.Duration) ([]*racer, error) {
	if t.throwAway && l.fsync != t.fsync {
		if err := setFsync(ctx, t.admin, l.fsync); err != nil {
			return nil, err
		}
		t.fsync = l.fsync
	}
	racers, others := t.near, t.far
	if l.delay > 0 {
		racers, others = t.far, t.near
	}
	for i, r := range racers {
		others[i].db.SetMaxIdleConns(0) // the server has not enough for all at once
		r.db.SetMaxIdleConns(poolSize)
		r.next, r.samples = 0, nil
	}
	return racers, race(ctx, &l.workload, racers, budget)
}

// close leaves the server as it was found.
func (t *track) close(ctx context.Context) error {
	var errs []error
	if t.throwAway {
		_, err := t.admin.ExecContext(ctx, "ALTER SYSTEM RESET fsync")
		errs = append(errs, err)
		_, err = t.admin.ExecContext(ctx, "SELECT pg_reload_conf()")
		errs = append(errs, err)
	}
	for i := range t.contenders {
		errs = append(errs, t.near[i].db.Close(), t.far[i].db.Close())
		_, err := t.near[i].admin.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+t.contenders[i].schema+" CASCADE")
		errs = append(errs, err, t.near[i].admin.Close())
	}
	return errors.Join(append(errs, t.proxy.Close())...)
}

// about says what is measured, on what.
func (t *track) about(ctx context.Context) (string, error) {
	var version, fsync, commit string
	if err := t.admin.NewRaw("SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')").
		Scan(ctx, &version, &fsync, &commit); err != nil {
		return "", err
	}
	var err error
	if t.throwAway, err = ours(ctx, t.admin); err != nil {
		return "", err
	}
	if fsync != "on" || commit != "on" {
		return "", errors.New("the server doesn't wait for its disk: switch fsync and synchronous_commit on, or start it by make bench")
	}
	versions := []string{"PostgreSQL " + version, runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/uptrace/bun" || strings.HasSuffix(m.Path, "/pgdriver") {
				versions = append(versions, m.Path[strings.LastIndex(m.Path, "/")+1:]+" "+m.Version)
			}
		}
	}
	return fmt.Sprintf("%s; %d processors of %s/%s, which clients and server share. Time of each as a multiple of plain Bun's, medians of at least %d samples each, taken in turns.",
		strings.Join(versions, ", "), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, minRounds), nil
}
