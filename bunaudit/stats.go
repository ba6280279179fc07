package bunaudit

import (
	"context"
	"maps"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Stats is what a hook has done since it was made.
type Stats struct {
	// Tables holds the counts of each audited table that a statement has
	// written to, or tried to, by the name that events have, as the model declares
	// it: with its schema where it declares one.
	Tables map[string]TableStats

	// Separate counts the statements that were recorded by separate statements,
	// by the reason why they did not write their events themselves. On PostgreSQL
	// that costs round trips; elsewhere it is how it is done.
	Separate map[string]int64
}

// TableStats counts the statements on one table by what became of them, and the
// events that they left.
type TableStats struct {
	Captured int64 // recorded, with or without an event
	Failed   int64 // failed, by an error of their own or of the recording
	Refused  int64 // refused with an UncapturableError
	Opaque   int64 // let through by Uncapturable: Warn
	Degraded int64 // let through by OnFailure: Degrade, without their events
	Skipped  int64 // let through by Skip

	// Events counts the events written. An UPDATE that was run for no rows and
	// wrote its events itself does not tell how many it wrote: it counts with the
	// rows that it updated, also those that stayed as they were.
	Events int64
}

// Stats returns the counts so far. The same counts go to OpenTelemetry's global
// meter, as bunaudit.statements (by table and outcome) and bunaudit.events (by
// table).
func (h *Hook) Stats() Stats {
	h.counts.mu.Lock()
	defer h.counts.mu.Unlock()
	return Stats{Tables: maps.Clone(h.counts.tables), Separate: maps.Clone(h.counts.reasons)}
}

// counters keep the counts. Only statements on audited tables come here.
type counters struct {
	mu     sync.Mutex
	tables map[string]TableStats

	// reasons counts what was recorded by separate statements.
	reasons map[string]int64

	statements, events metric.Int64Counter

	// labels are the attributes that go with the counts, made once each.
	labels map[label][]metric.AddOption
}

// label says what is counted: statements, or events where there is no outcome.
type label struct {
	table   string
	outcome result
}

// result is what became of a statement.
type result string

const (
	wasCaptured result = "captured"
	wasFailed   result = "failed"
	wasRefused  result = "refused"
	wasOpaque   result = "opaque"
	wasDegraded result = "degraded"
	wasSkipped  result = "skipped"
)

func newCounters() *counters {
	meter := otel.Meter("github.com/sqlaudit/bun/bunaudit")
	c := &counters{tables: make(map[string]TableStats), reasons: make(map[string]int64), labels: make(map[label][]metric.AddOption)}
	// The errors are of names that can't be used, which these can.
	c.statements, _ = meter.Int64Counter("bunaudit.statements",
		metric.WithDescription("statements on audited tables, by what became of them"))
	c.events, _ = meter.Int64Counter("bunaudit.events", metric.WithDescription("events written"))
	return c
}

func (c *counters) count(ctx context.Context, table string, r result, events int) {
	c.mu.Lock()
	t := c.tables[table]
	switch r {
	case wasCaptured:
		t.Captured++
	case wasFailed:
		t.Failed++
	case wasRefused:
		t.Refused++
	case wasOpaque:
		t.Opaque++
	case wasDegraded:
		t.Degraded++
	case wasSkipped:
		t.Skipped++
	}
	t.Events += int64(events)
	c.tables[table] = t
	ofStatement, ofEvents := c.labelled(label{table, r}), c.labelled(label{table: table})
	c.mu.Unlock()

	c.statements.Add(ctx, 1, ofStatement...)
	if events > 0 {
		c.events.Add(ctx, int64(events), ofEvents...)
	}
}

// labelled wants the lock to be held.
func (c *counters) labelled(l label) []metric.AddOption {
	if options, ok := c.labels[l]; ok {
		return options
	}
	attributes := []attribute.KeyValue{attribute.String("table", l.table)}
	if l.outcome != "" {
		attributes = append(attributes, attribute.String("outcome", string(l.outcome)))
	}
	options := []metric.AddOption{metric.WithAttributes(attributes...)}
	c.labels[l] = options
	return options
}

func (c *counters) separate(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons[reason]++
}
