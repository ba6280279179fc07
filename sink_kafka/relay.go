package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

// RelayConfig says how a [Relay] works. The zero value is good.
type RelayConfig struct {
	// Name is what the lease and the log call this relay. The default is the name
	// of the machine and the number of the process.
	Name string

	// Batch is the most events that are read at once. 0 means 5,000.
	Batch int

	// Poll is how often the relay looks for events when nothing wakes it. 0 means
	// one second.
	Poll time.Duration

	// Wake makes the relay look at once when a value can be received: for what
	// tells of commits in other processes, such as PostgreSQL's NOTIFY, see
	// [Config.Notify]. Nil, or closed: nothing does. The sender should drop a value
	// that can't be sent at once.
	Wake <-chan struct{}

	// LeaseTTL is after what time without a sign of life another relay takes over.
	// 0 means 10 seconds. Relays of one outbox may differ in it.
	LeaseTTL time.Duration

	// MaxBackoff bounds the time between two tries of a partition that can't be
	// written to. 0 means 30 seconds.
	MaxBackoff time.Duration
}

// Validate says what is wrong with the configuration, or returns nil.
func (c RelayConfig) Validate() error {
	switch {
	case c.Batch < 0:
		return errors.New("kafkasink: RelayConfig.Batch is negative")
	case c.Poll < 0, c.LeaseTTL < 0, c.MaxBackoff < 0:
		return errors.New("kafkasink: RelayConfig has a negative duration")
	case c.LeaseTTL != 0 && c.LeaseTTL < 100*time.Millisecond:
		return errors.New("kafkasink: RelayConfig.LeaseTTL is below 100ms, which is too short to keep a lease")
	}
	return nil
}

func (c RelayConfig) withDefaults() RelayConfig {
	if c.Name == "" {
		host, _ := os.Hostname() // a name for people, which may be empty
		c.Name = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if c.Batch == 0 {
		c.Batch = 5000
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = 10 * time.Second
	}
	if c.MaxBackoff == 0 {
		c.MaxBackoff = 30 * time.Second
	}
	return c
}

// Relay publishes the events of an outbox and deletes them once all replicas
// have acknowledged them. Make one with [NewRelay]. Several may run on one outbox,
// in any number of processes: one of them works, the others stand by.
//
// A relay publishes the events of a partition in the order of the outbox, and
// stops at the first that fails until that one is through; other partitions go on.
// It never gives an event up, but for one that brokers refuse for what it is, that
// has no topic, or whose row was damaged: that one goes to the dead letters, see
// [Relay.DeadLetters]. After a crash, or where the answer of a broker got lost,
// events are published again.
type Relay struct {
	db   *bun.DB
	sink *Sink
	cfg  RelayConfig
	log  *slog.Logger

	running atomic.Bool
	wake    chan struct{}
	lease   *lease
	figures *figures

	mu     sync.Mutex
	stops  map[place]*stop
	topics map[string]*topicState
	warned map[string]bool // the topics whose risks were logged

	// Used by one goroutine at a time.
	left    map[place]*flight // those that no pass waits for any more
	limit   int               // rows to read at once: fewer where they are large
	backlog bool              // whether there was more than that at the end of the last pass
}

// wholeTopic is the partition of a place that stands for all of a topic.
const wholeTopic = -1

// NewRelay returns a relay of the outbox that s writes to in db. In the process
// of the service it hears of each commit; in another it polls. It panics where the
// configuration can't work.
func NewRelay(db *bun.DB, s *Sink, cfg RelayConfig) *Relay {
	switch err := cfg.Validate(); {
	case err != nil:
		panic(err.Error())
	case db == nil || s == nil:
		panic("kafkasink: NewRelay wants the database of the outbox and the sink that writes to it: one of them is nil")
	case s.cfg.Delivery == Direct:
		panic(errDirect.Error())
	}
	cfg = cfg.withDefaults()
	r := &Relay{
		db: db, sink: s, cfg: cfg, wake: make(chan struct{}, 1), limit: cfg.Batch,
		log:   s.cfg.Log.With("relay", cfg.Name),
		stops: make(map[place]*stop), topics: make(map[string]*topicState), warned: make(map[string]bool),
		left: make(map[place]*flight),
	}
	r.figures = newFigures()
	r.lease = &lease{db: db, table: s.table(leaseEnding), ttl: cfg.LeaseTTL}
	return r
}

// Run relays events until ctx ends, and returns nil then. What it is in the
// middle of it brings to an end first, within Config.Timeout, and it gives the
// lease up, so that another relay takes over at once. Whatever fails meanwhile is
// logged, shown by [Relay.Stats], and tried again. It returns an error only where
// this relay is running already.
func (r *Relay) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("kafkasink: run relay: it is running already")
	}
	defer r.running.Store(false)
	defer r.sink.client.close()
	defer r.sink.listen(r.wake)()

	var keeping sync.WaitGroup
	keeping.Go(func() { r.forward(ctx) })
	keeper, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	r.lease.start(r.cfg.Name)
	keeping.Go(func() { r.keepLease(keeper) })
	defer func() {
		r.land(ctx, true)
		stopKeeping()
		keeping.Wait()
		r.resign(ctx)
	}()

	tries, woken := 0, false
	for ctx.Err() == nil {
		r.land(ctx, false)
		if !r.lease.held() {
			pause(ctx, r.lease.interval(), r.lease.gained)
			continue
		}
		began := time.Now()
		sent, err := r.pass(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			tries++
			r.failed(ctx, "kafkasink: can't read or clear the outbox", err)
			pause(ctx, backoff(tries, r.cfg.MaxBackoff), nil)
			continue
		case sent == 0 && woken:
			// Commits of changes that aren't audited wake us too.
			pause(ctx, afterWake, nil)
		}
		tries = 0
		woken = sent == 0 && pause(ctx, r.untilNext(began), r.wake)
	}
	return nil
}

// forward hands on what wakes the relay from outside, until ctx ends.
func (r *Relay) forward(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-r.cfg.Wake:
			if !open {
				return
			}
			signal(r.wake) // unless it is going to look already
		}
	}
}

// afterWake is how long a relay that was woken for nothing can't be woken.
const afterWake = time.Millisecond

// untilNext is how long there is nothing to do unless something wakes us. What was
// due when the last pass began was tried, or has no event any more.
func (r *Relay) untilNext(began time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.cfg.Poll
	for _, s := range r.stops {
		if s.until.After(began) {
			next = min(next, max(time.Until(s.until), time.Millisecond))
		}
	}
	return next
}

// failed notes an error that is going to be tried again.
func (r *Relay) failed(ctx context.Context, what string, err error) {
	r.figures.failed(err)
	r.log.WarnContext(ctx, what, "error", err)
}
