package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/retrieval"
)

const (
	growthRounds = 300 // samples of everything, at each size
	growthWarmUp = 20  // rounds before those, for connections and what they cache
	growthPage   = 50  // events
)

// grown is a table with a number of events, and what is measured on it.
type grown struct {
	events int
	schema string
	rows   int // of the table of customers

	made  bool // the schema is this run's
	ready bool // it is as it should be

	admin, plain, audited *bun.DB

	writes    []*write
	questions []*question
}

// write is one that plain Bun and the audited one do in turns, to the same table.
type write struct {
	name string

	// do does it for who for the nth time.
	do func(ctx context.Context, who *writer, n int) error

	plain, audited []time.Duration
}

// writer is who writes.
type writer struct {
	db     *bun.DB
	parity int   // its customers have numbers of their own
	own    int64 // the key of the row that it has inserted
}

// question is one that is asked of the trail, of something else each time.
type question struct {
	name string

	// ask asks it of what pick chooses, and returns the number of events.
	ask  func(ctx context.Context, db *bun.DB, pick uint64) (int, error)
	none bool // whether there may be nothing to find

	first, again []time.Duration // of the first time and of the second, at once after it
	plans        []string
}

// grow measures what a write and the common questions cost with each of the
// numbers of events in the table, which sizes has with spaces between them. Keep
// leaves what it has filled for the next run, which finds it.
func grow(ctx context.Context, sizes string, keep bool, into string) (err error) {
	dsn := os.Getenv(serverEnv)
	if dsn == "" {
		return fmt.Errorf("%s is not set: give it the URL of a PostgreSQL that may be thrown away, or run make bench-growth", serverEnv)
	}
	bun.SetLogger(bunaudit.Logger(nil)) // before Bun sees the tags
	var all []*grown
	defer func() {
		for _, g := range all {
			err = errors.Join(err, g.close(context.WithoutCancel(ctx), keep))
		}
	}()
	for _, text := range strings.Fields(sizes) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number of events", text)
		}
		g, err := openGrown(dsn, n)
		if err != nil {
			return err
		}
		all = append(all, g)
		if err := g.prepare(ctx); err != nil {
			return fmt.Errorf("%d events: %w", n, err)
		}
	}
	if all == nil {
		return errors.New("no number of events is given")
	}
	for round := range growthWarmUp + growthRounds {
		if round == growthWarmUp {
			for _, g := range all {
				g.forget()
			}
		}
		for i := range all {
			g := all[(round+i)%len(all)] // nobody is always the first
			if err := g.sample(ctx, round); err != nil {
				return fmt.Errorf("%d events: %w", g.events, err)
			}
		}
	}
	for _, g := range all {
		if err := g.explain(ctx, dsn); err != nil {
			return fmt.Errorf("%d events: %w", g.events, err)
		}
	}
	about, err := aboutGrowth(ctx, all[0].admin)
	if err != nil {
		return err
	}
	fmt.Print(growthMarkdown(about, all))
	return inEach(into, func(name string) error {
		return replaceIn(name, "growth", func(string) (string, error) { return growthMarkdown(about, all), nil })
	})
}

func openGrown(dsn string, events int) (g *grown, err error) {
	g = &grown{events: events, schema: fmt.Sprintf("bunaudit_bench_growth_%d", events), rows: max(1000, events/eventsPerRow)}
	c := &contender{schema: g.schema, hook: audited(bunaudit.Config{})}
	if g.admin, err = c.open(dsn, false); err != nil {
		return nil, err
	}
	if g.plain, err = c.open(dsn, false); err != nil {
		return nil, err
	}
	if g.audited, err = c.open(dsn, true); err != nil {
		return nil, err
	}
	g.writes, g.questions = g.changes(), g.ask()
	return g, nil
}

// changes makes the writes: what a writer inserts it deletes in the same round.
func (g *grown) changes() []*write {
	return []*write{
		{name: "insert", do: func(ctx context.Context, who *writer, n int) error {
			c := newCustomer(2*n + who.parity)
			_, err := who.db.NewInsert().Model(&c).ExcludeColumn("id").Returning("id").Exec(ctx)
			who.own = c.ID
			return err
		}},
		{name: "update by key", do: func(ctx context.Context, who *writer, n int) error {
			return update(ctx, who.db, 1+rand.Int64N(int64(g.rows)), n) //nolint:gosec // Nothing depends on how random it is.
		}},
		{name: "delete by key", do: func(ctx context.Context, who *writer, _ int) error {
			_, err := who.db.NewDelete().Model((*customer)(nil)).Where("id = ?", who.own).Exec(ctx)
			return err
		}},
	}
}

// ask makes the questions.
func (g *grown) ask() []*question {
	days := max(1, uint64(g.events/eventsPerDay)) //nolint:gosec // Neither is negative.
	return []*question{
		{
			// A row may have been left alone by chance.
			name: "history of one row", none: true,
			ask: func(ctx context.Context, db *bun.DB, pick uint64) (int, error) {
				events, err := retrieval.For[customer](db).Key(1 + int64(pick%uint64(g.rows))).All(ctx) //nolint:gosec // It is less than rows.
				return len(events), err
			},
		},
		{
			name: fmt.Sprintf("one actor's last %d changes", growthPage),
			ask: func(ctx context.Context, db *bun.DB, pick uint64) (int, error) {
				page, err := retrieval.ForAll(db).By(strconv.FormatUint(pick%actors, 10)).NewestFirst().Limit(growthPage).Page(ctx)
				return len(page.Events), err
			},
		},
		{
			name: fmt.Sprintf("one day, the first %d changes", growthPage),
			ask: func(ctx context.Context, db *bun.DB, pick uint64) (int, error) {
				day := firstDay.AddDate(0, 0, int(pick%days)) //nolint:gosec // It is less than days.
				page, err := retrieval.ForAll(db).Between(day, day.AddDate(0, 0, 1)).Limit(growthPage).Page(ctx)
				return len(page.Events), err
			},
		},
	}
}

// sample takes one sample of everything.
func (g *grown) sample(ctx context.Context, round int) error {
	plain, audited := &writer{db: g.plain}, &writer{db: g.audited, parity: 1}
	for _, w := range g.writes {
		first := func() error { return timed(&w.plain, func() error { return w.do(ctx, plain, round) }) }
		second := func() error { return timed(&w.audited, func() error { return w.do(ctx, audited, round) }) }
		if round%2 == 1 {
			first, second = second, first
		}
		if err := errors.Join(first(), second()); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	if g.events == 0 {
		return nil
	}
	for _, q := range g.questions {
		pick := rand.Uint64() //nolint:gosec // Nothing depends on how random it is.
		for _, samples := range []*[]time.Duration{&q.first, &q.again} {
			found := 0
			err := timed(samples, func() (err error) {
				found, err = q.ask(ctx, g.plain, pick)
				return err
			})
			if err != nil {
				return err
			}
			if found == 0 && !q.none {
				return fmt.Errorf("%s: nothing was found", q.name)
			}
		}
	}
	return nil
}

// forget drops what was measured.
func (g *grown) forget() {
	for _, w := range g.writes {
		w.plain, w.audited = nil, nil
	}
	for _, q := range g.questions {
		q.first, q.again = nil, nil
	}
}

// close leaves the table of events as it was found: not at all, or for the next
// run without what this one has added.
func (g *grown) close(ctx context.Context, keep bool) error {
	errs := []error{g.plain.Close(), g.audited.Close()}
	switch {
	case g.made && (!keep || !g.ready):
		_, err := g.admin.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+g.schema+" CASCADE")
		errs = append(errs, err)
	case g.ready:
		_, err := g.admin.ExecContext(ctx, "DROP TABLE customers")
		errs = append(errs, err, g.trim(ctx))
	}
	return errors.Join(append(errs, g.admin.Close())...)
}

func timed(samples *[]time.Duration, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return err
	}
	*samples = append(*samples, time.Since(began))
	return nil
}

// percentile returns the sample that p of a hundred are not above.
func percentile(samples []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[(len(sorted)*p+99)/100-1]
}
