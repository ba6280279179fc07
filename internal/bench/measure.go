package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

const (
	rounds    = 15 // samples of each contender that the time is meant for
	minRounds = 5  // where it doesn't last
)

// racer is a contender at work on one line of the table.
type racer struct {
	*contender
	db    *bun.DB // what is measured
	admin *bun.DB // what prepares, by the shortest way

	next    int // the number of the next run
	perRun  time.Duration
	samples []time.Duration // of one run
}

// race has the contenders do w in turns for about budget, and returns them with
// their samples.
func race(ctx context.Context, w *workload, racers []*racer, budget time.Duration) error {
	end := time.Now().Add(budget)
	each := budget / time.Duration(len(racers)*rounds)
	for _, r := range racers {
		if err := r.warmUp(ctx, w, each); err != nil {
			return fmt.Errorf("%s, %s: %w", w.name, r.name, err)
		}
	}
	each = time.Until(end) / time.Duration(len(racers)*rounds) // warming up has taken some
	for round := 0; round < minRounds || time.Now().Before(end); round++ {
		for i := range racers {
			r := racers[(round+i)%len(racers)] // nobody is always the first
			if err := r.sample(ctx, w, max(1, int(each/r.perRun))); err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, r.name, err)
			}
		}
	}
	return nil
}

// warmUp makes the tables, checks that the contender does what it should, and
// finds out how long a run takes.
func (r *racer) warmUp(ctx context.Context, w *workload, each time.Duration) error {
	if err := r.reset(ctx, r.admin, w); err != nil {
		return err
	}
	if err := r.feed(ctx, w, 2); err != nil {
		return err
	}
	for range 2 { // an upsert does one thing and then another
		began := time.Now()
		if err := r.check(ctx, r.db, r.admin, w, r.next); err != nil {
			return err
		}
		r.next, r.perRun = r.next+1, time.Since(began)
	}
	if r.perRun < each {
		if err := r.sample(ctx, w, 2+int(each/2/r.perRun)); err != nil {
			return err
		}
		r.perRun = max(r.samples[0], time.Microsecond)
	}
	r.samples = nil
	return nil
}

// sample does w for runs times and notes how long one took.
func (r *racer) sample(ctx context.Context, w *workload, runs int) error {
	clients := max(1, w.clients)
	runs = (runs + clients - 1) / clients * clients
	if err := r.feed(ctx, w, runs); err != nil {
		return err
	}
	var took time.Duration
	if clients == 1 {
		began := time.Now()
		for n := r.next; n < r.next+runs; n++ {
			if err := r.do(ctx, r.db, w, n); err != nil {
				return err
			}
		}
		took = time.Since(began)
	} else {
		var err error
		if took, err = r.together(ctx, w, clients, runs); err != nil {
			return err
		}
	}
	r.next += runs
	r.samples = append(r.samples, took/time.Duration(runs))
	return nil
}

// together spreads the runs over clients.
func (r *racer) together(ctx context.Context, w *workload, clients, runs int) (time.Duration, error) {
	var all sync.WaitGroup
	var done atomic.Int64
	errs := make([]error, clients)
	began := time.Now()
	for i := range clients {
		all.Go(func() {
			for errs[i] == nil {
				n := int(done.Add(1)) - 1
				if n >= runs {
					return
				}
				errs[i] = r.do(ctx, r.db, w, r.next+n)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return took, nil
}

func (r *racer) feed(ctx context.Context, w *workload, runs int) error {
	if w.feed == nil {
		return nil
	}
	return w.feed(ctx, r.admin, r.next, r.next+runs)
}

func median(samples []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
