package retrieval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/auditctx"
	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// BaselineOptions say how [Query.Baseline] works. The zero value is good for any
// model without columns tagged audit:hash.
type BaselineOptions struct {
	// HashKey is the hook's, for columns tagged audit:hash. Required where there
	// are some.
	HashKey []byte

	// All records every row, also those whose history is complete already: so
	// that history goes on from what the table holds, whatever [Query.Verify]
	// has found. The default records those that history doesn't know as a whole.
	All bool

	// BatchSize is how many rows are recorded in one transaction. 0: 1,000.
	BatchSize int

	// Progress is called after each batch. Nil: nobody is told.
	Progress func(Progress)
}

// Baseline records the rows of the model's table as they are, with an event of
// the operation [sink.Snapshot] for each, and returns how many it has recorded:
// so that the history of rows that are older than the audit is complete from now
// on. Actor, reason and meta data of the events are those that the context has
// from bunaudit.WithActor and its sisters. The query has no conditions, and the
// table of events is in the same database.
//
// Rows whose history is complete are passed over, so it can be run again after
// it was interrupted, and goes on where it was. What the table does meanwhile is
// recorded by the hook as ever, and both fit together: a row is locked against
// changes, not against being read, from when it is read until its batch has
// committed, some milliseconds. Rows that others hold at that moment are recorded
// in the end, one by one, so that it never waits while it holds anything.
//
// On PostgreSQL a batch is one statement, by which the database makes the events
// itself, unless the model has columns tagged audit:hash or a key with
// audit_was. Elsewhere rows come and events go.
//
// It needs the right to lock rows, which on PostgreSQL comes with UPDATE, and on
// MariaDB 10.6 or later.
func (q *Query[M]) Baseline(ctx context.Context, opts BaselineOptions) (int64, error) {
	b := &baseline{query: &q.query, BaselineOptions: opts}
	if err := b.run(ctx); err != nil {
		return b.recorded, err
	}
	return b.recorded, nil
}

type baseline struct {
	*query
	BaselineOptions
	table    *live.Table
	keys     *live.Table // the same, for going through it
	blind    int64       // the event before which nothing is certain
	recorded int64
	held     []sink.Values // rows that others hold
}

func (b *baseline) run(ctx context.Context) error {
	if err := b.onlyKeys(false); err != nil {
		return err
	}
	switch {
	case b.keyed:
		return errors.New("retrieval: baseline: it is for whole tables, not for some keys")
	case b.model == nil:
		return errors.New("retrieval: baseline: a table without a model can't be read: ask for it by For")
	case b.BatchSize < 0:
		return errors.New("retrieval: baseline: the batch size is negative")
	case b.BatchSize == 0:
		b.BatchSize = 1000
	}
	if b.HashKey == nil {
		for _, c := range b.model.Columns {
			if c.Mask == sink.Hashed {
				return fmt.Errorf("retrieval: baseline: field %s of %s is tagged audit:hash: give the hook's HashKey", c.Field.Name, b.name)
			}
		}
	}
	err := b.canSkipLocked(ctx)
	if err != nil {
		return fmt.Errorf("retrieval: baseline: %w", err)
	}
	if b.table, err = live.Load(ctx, b.db, b.model); err != nil {
		return fmt.Errorf("retrieval: baseline: %w", err)
	}
	b.keys = b.table.Keys()
	wholes, err := b.wholes(ctx)
	if err != nil {
		return err
	}
	if len(wholes) > 0 {
		b.blind = wholes[len(wholes)-1].seq
	}
	next := b.next
	if table, ok := b.inDatabase(); ok {
		next = func(ctx context.Context, after *live.Row) (int, *live.Row, error) {
			return b.nextInDatabase(ctx, table, after)
		}
	}
	if err := b.pages(ctx, next); err != nil {
		return fmt.Errorf("retrieval: baseline: %w", err)
	}
	return nil
}

// canSkipLocked refuses a MariaDB on which a batch would wait for whoever holds a
// row.
func (b *baseline) canSkipLocked(ctx context.Context) error {
	if b.dialect() != dialect.MySQL {
		return nil
	}
	var version string
	if err := b.db.NewRaw("SELECT VERSION()").Scan(ctx, &version); err != nil {
		return err
	}
	return skipsLocked(version)
}

// skipsLocked reads what a server of MariaDB or MySQL says of itself, such as
// 10.11.14-MariaDB-0+deb12u2.
func skipsLocked(version string) error {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	if err == nil && strings.Contains(version, "MariaDB") && (major < 10 || major == 10 && minor < 6) {
		return fmt.Errorf("MariaDB %d.%d can't pass over rows that others hold (SKIP LOCKED): it needs 10.6 or later", major, minor)
	}
	return nil
}

// pages goes through the table by next, which records the rows after one and
// returns how many those are and the last of them.
func (b *baseline) pages(ctx context.Context, next func(context.Context, *live.Row) (int, *live.Row, error)) error {
	var after *live.Row
	done := int64(0)
	for {
		n, last, err := next(ctx, after)
		if err != nil {
			return err
		}
		done += int64(n)
		if b.Progress != nil {
			b.Progress(Progress{Rows: done})
		}
		if n < b.BatchSize {
			break
		}
		after = last
	}
	for _, key := range b.held {
		if err := b.recordKeys(ctx, []sink.Values{key}, true); err != nil {
			return err
		}
	}
	return nil
}

// next reads a page of keys, and records their rows.
func (b *baseline) next(ctx context.Context, after *live.Row) (int, *live.Row, error) {
	rows, err := b.keys.Page(ctx, b.db, after, b.BatchSize)
	if err != nil || len(rows) == 0 {
		return 0, nil, err
	}
	keys := make([]sink.Values, len(rows))
	for i, row := range rows {
		keys[i] = row.Key
	}
	return len(rows), &rows[len(rows)-1], b.recordKeys(ctx, keys, false)
}

// recordKeys records those of the rows that have to be.
func (b *baseline) recordKeys(ctx context.Context, keys []sink.Values, wait bool) error {
	if !b.All {
		var err error
		if keys, err = b.incomplete(ctx, keys); err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return b.record(ctx, keys, wait)
}

// incomplete returns the keys of rows that are not on record as a whole: since
// the last event that says so the row was deleted, or got another key, or the
// table became uncertain.
func (b *baseline) incomplete(ctx context.Context, keys []sink.Values) ([]sink.Values, error) {
	texts := make([]string, len(keys))
	var stored []string
	for i, key := range keys {
		var err error
		if texts[i], err = canonicalKey(key); err != nil {
			return nil, err
		}
		stored = append(stored, b.variants(texts[i])...)
	}
	if len(stored) == 0 {
		return nil, nil
	}
	whole, err := b.latest(ctx, "key", stored, "e.op IN (?)", bun.In([]string{string(sink.Insert), string(sink.Snapshot)}))
	if err != nil {
		return nil, err
	}
	deleted, err := b.latest(ctx, "key", stored, "e.op = ? AND NOT e.soft", string(sink.Delete))
	if err != nil {
		return nil, err
	}
	moved, err := b.latest(ctx, "old_key", stored, "1 = 1")
	if err != nil {
		return nil, err
	}
	var out []sink.Values
	for i, text := range texts {
		if whole[text] <= max(deleted[text], moved[text], b.blind) {
			out = append(out, keys[i])
		}
	}
	return out, nil
}

// latest returns the numbers of the last events of a kind, by key.
func (q *query) latest(ctx context.Context, column string, stored []string, kind string, args ...any) (map[string]int64, error) {
	var rows []keyedRow
	err := q.from(nil).ColumnExpr("e.? AS under_key, max(e.seq) AS seq", bun.Ident(column)).
		Where("e.table_name = ?", q.table).
		Where("e.? IN (?)", bun.Ident(column), bun.In(stored)).
		Where(kind, args...).
		GroupExpr("e.?", bun.Ident(column)).
		Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	out := make(map[string]int64, len(rows))
	for _, row := range rows {
		key, _, err := q.readKey(row.Under)
		if err != nil {
			return nil, err
		}
		out[key] = max(out[key], row.Seq)
	}
	return out, nil
}

// record records the rows with the keys in a transaction of its own. Those that
// somebody else holds are put off, unless it shall wait for them.
func (b *baseline) record(ctx context.Context, keys []sink.Values, wait bool) error {
	n := 0
	err := b.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		lock, err := b.lock(ctx, tx, wait)
		if err != nil {
			return err
		}
		rows, err := b.table.ByKeys(ctx, tx, keys, lock)
		if err != nil {
			return err
		}
		events := newEvents(ctx, b.model, sink.Snapshot, len(rows))
		for i, row := range rows {
			events[i].Key, events[i].Soft, events[i].Changes = row.Key, row.Deleted, b.image(row)
		}
		if err := b.insert(ctx, tx, events); err != nil {
			return err
		}
		n = len(rows)
		if n < len(keys) && !wait {
			return b.putOff(keys, rows)
		}
		return nil
	})
	if err == nil {
		b.recorded += int64(n)
	}
	return err
}

// putOff remembers the keys of which there is no row among rows: it is held, or
// was deleted.
func (b *baseline) putOff(keys []sink.Values, rows []live.Row) error {
	got := make(map[string]bool, len(rows))
	for _, row := range rows {
		key, err := canonicalKey(row.Key)
		if err != nil {
			return err
		}
		got[key] = true
	}
	for _, key := range keys {
		text, err := canonicalKey(key)
		if err != nil {
			return err
		}
		if !got[text] {
			b.held = append(b.held, key)
		}
	}
	return nil
}

// lock returns what keeps rows that are read from being changed.
func (q *query) lock(ctx context.Context, tx bun.Tx, wait bool) (string, error) {
	lock := "UPDATE"
	switch q.dialect() {
	case dialect.SQLite:
		return "", q.claim(ctx, tx)
	case dialect.PG:
		lock = "SHARE OF t"
	}
	if !wait {
		lock += " SKIP LOCKED"
	}
	return lock, nil
}

// claim takes the only lock that SQLite has, before anything is read: a
// transaction that reads first can't write once another one has.
func (q *query) claim(ctx context.Context, tx bun.Tx) error {
	_, err := tx.NewRaw("DELETE FROM ? WHERE 1 = 0", q.events.Expr()).Exec(ctx)
	return err
}

// image is what an event says of a row.
func (b *baseline) image(row live.Row) map[string]sink.Change {
	changes := make(map[string]sink.Change, len(b.model.Columns))
	for _, c := range b.model.Columns {
		raw := row.Values[c.Field.Name]
		change := sink.Change{Mask: c.Mask}
		switch c.Mask {
		case sink.Unmasked:
			change.New = raw
		case sink.Hashed:
			change.New = model.Hash(b.HashKey, raw)
		}
		changes[c.Field.Name] = change
	}
	return changes
}

// newEvents are n events of one transaction, with what the context says.
func newEvents(ctx context.Context, m *model.Model, op sink.Op, n int) []sink.Event {
	events := make([]sink.Event, n)
	e := sink.Event{
		Time: time.Now().UTC().Truncate(time.Microsecond), Op: op, Table: m.Table, Model: m.Label,
		Actor: auditctx.Actor(ctx), Reason: auditctx.Reason(ctx), Meta: auditctx.Meta(ctx), Tx: newID(),
	}
	for i := range events {
		events[i] = e
		events[i].ID = newID()
	}
	return events
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// insert writes events, as the sink does.
func (q *query) insert(ctx context.Context, tx bun.Tx, events []sink.Event) error {
	batches, err := eventrow.Encode(events)
	if err != nil {
		return err
	}
	return q.events.Insert(ctx, tx.NewSelect().DB(), tx, batches)
}
