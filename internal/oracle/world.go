package oracle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/bunaudit"
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
	pg      bool
	schema  string

	// Count is how often each kind of statement was run and went through.
	mu     sync.Mutex
	counts map[string]*Count
}

// Count is what became of the statements of a kind.
type Count struct{ Run, Done, Refused int }

// Setup says what a World is made of.
type Setup struct {
	// Open opens a new pool on an empty database, without hooks.
	Open func() *bun.DB
	// Configure changes the audit's configuration; nil does not.
	Configure func(*bunaudit.Config)
	// Seed is that of a round that is to be played; the tables that are made up
	// depend on it.
	Seed uint64
}

// Fits reports whether the tables of the world are those of the seed: twenty
// seeds in a row share theirs.
func (w *World) Fits(seed uint64) bool { return w.seed == seed/sharing }

const sharing = 20

// Open prepares the database.
func Open(ctx context.Context, s Setup) (*World, error) {
	w := &World{seed: s.Seed / sharing, plain: s.Open(), audited: s.Open(), schema: "main", counts: map[string]*Count{}}
	w.plain.SetMaxOpenConns(1)
	w.pg = w.plain.Dialect().Name() == dialect.PG
	w.tables = tables(w.seed)
	sink := sqlsink.New()
	models := make([]any, len(w.tables))
	for i, t := range w.tables {
		models[i] = t.model
	}
	cfg := bunaudit.Config{Sink: sink, HashKey: []byte(hashKey), Models: models, Log: slog.New(slog.DiscardHandler)}
	if s.Configure != nil {
		s.Configure(&cfg)
	}
	w.audited.AddQueryHook(bunaudit.New(cfg))
	if w.pg {
		if err := w.plain.NewRaw("SELECT quote_ident(current_schema())").Scan(ctx, &w.schema); err != nil {
			return nil, fmt.Errorf("oracle: %w", err)
		}
	}
	if err := sink.CreateTable(ctx, w.plain); err != nil {
		return nil, err
	}
	return w, w.createTables(ctx)
}

// Close closes the pools.
func (w *World) Close() error { return errors.Join(w.audited.Close(), w.plain.Close()) }

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
	return w.play(ctx, generate(o, w.tables, w.pg), o)
}

func (w *World) play(ctx context.Context, p *Program, o Options) (*Report, error) {
	if err := w.clear(ctx); err != nil {
		return nil, err
	}
	run := &run{world: w, program: p}
	stop := run.disturb(ctx, o)
	var clients sync.WaitGroup
	for c := range o.Clients {
		clients.Go(func() {
			for i := range p.blocks {
				if b := &p.blocks[i]; b.client == c || o.Clients == 1 {
					run.block(ctx, b)
				}
			}
		})
	}
	clients.Wait()
	if err := errors.Join(stop(), ctx.Err()); err != nil {
		return nil, err
	}
	record, err := w.load(ctx)
	if err != nil {
		return nil, err
	}
	return &Report{Options: o, Program: p, Statements: run.statements, Events: len(record.events),
		Differences: append(run.surprises, compare(record)...)}, nil
}

// build makes the statement of a step, or nil where there is no such statement
// on this table or database.
func (w *World) build(p *Program, s step, db bun.IDB) statement {
	r := rand.New(rand.NewPCG(s.seed, 3))
	return s.kind.build(&gen{r: r, t: s.table, tables: p.tables, db: db, pg: w.pg, schema: w.schema})
}
