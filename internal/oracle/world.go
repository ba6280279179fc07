package oracle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// hashKey is the audit's key for hashed columns.
const hashKey = "oracle oracle oracle"

// World is a database with the tables, the triggers and the audit.
type World struct {
	seed    uint64
	plain   *bun.DB // without the hook, of one connection
	audited *bun.DB
	tables  []*table
	used    []*table // by the last program
	sql     flavour
	schema  string   // that the tables are in
	carrier *carrier // or nil

	// Count is how often each kind of statement was run and went through.
	mu     sync.Mutex
	counts map[string]*Count
}

// Count is what became of the statements of a kind.
type Count struct{ Run, Done, Refused int }

// Setup says what a World is made of.
type Setup struct {
	// Open opens a new pool on an empty database, without hooks. Nobody else is
	// connected to it.
	Open func() *bun.DB
	// Configure changes the audit's configuration; nil does not.
	Configure func(*bunaudit.Config)
	// Seed is that of a round that is to be played; the tables that are made up
	// depend on it.
	Seed uint64
	// Kafka is the address of a broker, by way of which the events get from the audit
	// to the oracle. Empty: the oracle reads the table that the audit writes to.
	Kafka string
}

// Fits reports whether the tables of the world are those of the seed: twenty
// seeds in a row share theirs.
func (w *World) Fits(seed uint64) bool { return w.seed == seed/sharing }

const sharing = 20

// Open prepares the database.
func Open(ctx context.Context, s Setup) (*World, error) {
	w := &World{seed: s.Seed / sharing, plain: s.Open(), audited: s.Open(), counts: map[string]*Count{}}
	w.plain.SetMaxOpenConns(1)
	w.audited.SetMaxIdleConns(maxIdle)
	w.sql = flavourOf(w.plain)
	w.tables = tables(w.seed, w.sql)
	events := sqlsink.New()
	var to sink.Sink = events
	if s.Kafka != "" {
		var err error
		if w.carrier, err = newCarrier(ctx, s, w.plain, events); err != nil {
			return nil, err
		}
		to = w.carrier.outbox
	}
	models := make([]any, len(w.tables))
	for i, t := range w.tables {
		models[i] = t.model
	}
	cfg := bunaudit.Config{Sink: to, HashKey: []byte(hashKey), Models: models, Log: slog.New(slog.DiscardHandler)}
	if s.Configure != nil {
		s.Configure(&cfg)
	}
	w.audited.AddQueryHook(bunaudit.New(cfg))
	if err := w.plain.NewRaw(w.sql.schema()).Scan(ctx, &w.schema); err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	if err := events.CreateTable(ctx, w.plain); err != nil {
		return nil, err
	}
	return w, w.createTables(ctx)
}

// Close closes the pools.
func (w *World) Close() error {
	return errors.Join(w.carrier.close(), w.audited.Close(), w.plain.Close())
}

// Counts is what became of the statements so far, by kind.
func (w *World) Counts() map[string]Count {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]Count)
	for _, k := range kinds() {
		out[k.name] = Count{}
	}
	for name, c := range w.counts {
		out[name] = *c
	}
	return out
}

// Report is the outcome of a round.
type Report struct {
	Options     Options
	Program     *Program
	Statements  int
	Events      int
	Differences []string
}

// Round generates the program of a seed, runs it on emptied tables, and
// compares.
func (w *World) Round(ctx context.Context, o Options) (*Report, error) {
	if !w.Fits(o.Seed) {
		return nil, fmt.Errorf("oracle: the world has other tables than those of the seed %d", o.Seed)
	}
	o = o.withDefaults()
	if w.carrier != nil {
		o.Moments = 0 // events that have come by way of Kafka are in the order of their arrival
	}
	return w.play(ctx, generate(o, w.tables, w.sql), o)
}

func (w *World) play(ctx context.Context, p *Program, o Options) (*Report, error) {
	if err := w.clear(ctx); err != nil {
		return nil, err
	}
	w.used = p.tables
	run := &run{world: w, program: p}
	stop, carried := run.disturb(ctx, o), w.carrier.start(ctx)
	r := rand.New(rand.NewPCG(o.Seed, 6))
	var moments []moment
	for _, part := range p.parts(r, o.Moments) {
		if part.start > 0 {
			m, err := w.look(ctx, p.tables)
			if err != nil {
				return nil, errors.Join(err, stop(), carried())
			}
			moments = append(moments, m)
		}
		run.clients(ctx, o.Clients, p.blocks[part.start:part.end])
	}
	if err := errors.Join(stop(), carried(), ctx.Err()); err != nil {
		return nil, err
	}
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	if err := w.carrier.arrive(ctx, w.plain); err != nil {
		return nil, err
	}
	record, err := w.load(ctx)
	if err != nil {
		return nil, err
	}
	differences := append(run.surprises, w.carrier.inOrder(record.events)...)
	report := &Report{Options: o, Program: p, Statements: run.statements, Events: len(record.events),
		Differences: append(differences, compare(record)...)}
	if o.Moments == 0 || len(report.Differences) > 0 {
		return report, nil
	}
	report.Differences, err = w.history(ctx, r, record, moments)
	return report, err
}

// settle waits until the server has nothing left to do for clients: a statement
// whose client has gone may still commit.
func (w *World) settle(ctx context.Context) error {
	query := w.sql.others()
	if query == "" {
		return nil
	}
	w.audited.SetMaxIdleConns(-1) // which closes them
	defer w.audited.SetMaxIdleConns(maxIdle)
	for range 1000 {
		var n int
		if err := w.plain.NewRaw(query).Scan(ctx, &n); err != nil {
			return fmt.Errorf("oracle: wait for connections to end: %w", err)
		}
		if n == 0 {
			return nil
		}
		pause(ctx, 10*time.Millisecond)
	}
	return errors.New("oracle: connections that are closed do not end: is somebody else connected to the database?")
}

// maxIdle is how many connections of the clients are kept.
const maxIdle = 8

// build makes the statement of a step, or nil where there is no such statement
// on this table or database.
func (w *World) build(p *Program, s step, db bun.IDB) statement {
	r := rand.New(rand.NewPCG(s.seed, 3))
	return s.kind.build(&gen{r: r, t: s.table, tables: p.tables, db: db, sql: w.sql, schema: w.schema})
}
