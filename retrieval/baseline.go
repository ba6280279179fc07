package retrieval

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/live"
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
	image    *image
	blind    int64 // the event before which nothing is certain
	recorded int64
	fresh    bool          // the page before had rows that history doesn't know
	held     []sink.Values // rows that others hold
}

func (b *baseline) run(ctx context.Context) error {
	if err := b.onlyKeys(ctx, false); err != nil {
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
	b.keys, b.image = b.table.Keys(), newImage(b.model, b.HashKey)
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
		if err := b.recordHeld(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// next records the rows of a page: it looks at their keys first, and reads and
// locks those that history doesn't know.
func (b *baseline) next(ctx context.Context, after *live.Row) (int, *live.Row, error) {
	if b.onSQLite() && (b.All || b.fresh) {
		return b.nextAtOnce(ctx, after)
	}
	rows, err := b.keys.Page(ctx, b.db, after, b.BatchSize)
	if err != nil || len(rows) == 0 {
		return 0, nil, err
	}
	incomplete, err := b.incomplete(ctx, b.db, rows)
	if err != nil {
		return 0, nil, err
	}
	last := &rows[len(rows)-1]
	if b.fresh = len(incomplete) > 0; b.fresh {
		keys := make([]sink.Values, len(incomplete))
		for i := range incomplete {
			keys[i] = incomplete[i].KeyValues()
		}
		read := b.byKeys(keys)
		if b.dialect() == dialect.PG && len(incomplete) == len(rows) {
			read = b.again(rows, after)
		}
		err = b.record(ctx, keys, read, false)
	}
	return len(rows), last, err
}

// reader reads rows in a transaction, and locks them.
type reader func(ctx context.Context, tx bun.Tx, lock string) ([]live.Row, error)

func (b *baseline) byKeys(keys []sink.Values) reader {
	return func(ctx context.Context, tx bun.Tx, lock string) ([]live.Row, error) {
		return b.table.ByKeys(ctx, tx, keys, lock)
	}
}

// nextAtOnce is next for SQLite, where one lock is for all rows: they are read as
// a whole from the start, which is a waste of those that history knows.
func (b *baseline) nextAtOnce(ctx context.Context, after *live.Row) (int, *live.Row, error) {
	var rows, incomplete []live.Row
	err := b.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		err := b.claim(ctx, tx)
		if err != nil {
			return err
		}
		if rows, err = b.table.Page(ctx, tx, after, b.BatchSize); err != nil || len(rows) == 0 {
			return err
		}
		if incomplete, err = b.incomplete(ctx, tx, rows); err != nil {
			return err
		}
		return b.snapshot(ctx, tx, incomplete)
	})
	if err != nil || len(rows) == 0 {
		return 0, nil, err
	}
	b.fresh = len(incomplete) > 0
	b.recorded += int64(len(incomplete))
	return len(rows), &rows[len(rows)-1], nil
}

// recordHeld waits for a row that somebody has held.
func (b *baseline) recordHeld(ctx context.Context, key sink.Values) error {
	if !b.All {
		text, err := canonicalKey(key)
		if err != nil {
			return err
		}
		complete, err := b.complete(ctx, b.db, []string{text})
		if err != nil || complete[text] {
			return err
		}
	}
	keys := []sink.Values{key}
	return b.record(ctx, keys, b.byKeys(keys), true)
}

// record records the rows with the keys, as read reads them, in a transaction of
// its own. Those that somebody else holds are put off, unless it shall wait for
// them.
func (b *baseline) record(ctx context.Context, keys []sink.Values, read reader, wait bool) error {
	var rows []live.Row
	err := b.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		lock, err := b.lock(ctx, tx, wait)
		if err != nil {
			return err
		}
		if rows, err = read(ctx, tx, lock); err != nil {
			return err
		}
		return b.snapshot(ctx, tx, rows)
	})
	if err != nil {
		return err
	}
	b.recorded += int64(len(rows))
	if len(rows) < len(keys) && !wait {
		return b.putOff(keys, rows)
	}
	return nil
}

// putOff remembers the keys of which there is no row among rows: it is held, or
// was deleted.
func (b *baseline) putOff(keys []sink.Values, rows []live.Row) error {
	got := make(map[string]bool, len(rows))
	for i := range rows {
		got[rows[i].CanonicalKey()] = true
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
