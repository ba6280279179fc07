package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// query is one without a model.
type query = retrieval.Query[sink.Values]

// question is about events: what flags and arguments have asked.
type question struct {
	table string // empty: all tables
	key   key
	build func(*bun.DB, sink.Values) *query
}

// query is the question as a query.
func (q *question) query(db *bun.DB) *query { return q.build(db, q.key.values) }

// parse reads the flags before there is a database: so that mistakes are found
// before it is opened. Without args it is about all tables.
func (c *command) parse(f *filter, args []string) (*question, error) {
	of, err := parseKey(f.key)
	if err != nil {
		return nil, err
	}
	if of.values != nil && len(args) == 0 {
		return nil, Usage("--key needs the name of a table")
	}
	since, until, err := c.parseTimes(f)
	if err != nil {
		return nil, err
	}
	ops := make([]sink.Op, len(f.ops))
	for i, op := range f.ops {
		ops[i] = sink.Op(op)
		if !slices.Contains(operations(), ops[i]) {
			return nil, Usage("--op: there is no operation %s: write one of %s", op, strings.Trim(fmt.Sprint(operations()), "[]"))
		}
	}
	for _, tx := range f.txs {
		if _, err := uuid.Parse(tx); err != nil || len(tx) != 36 {
			return nil, Usage("--tx: the ID of a transaction is a UUID, as history --json prints it")
		}
	}
	q := &question{key: of}
	if len(args) > 0 {
		q.table = args[0]
	}
	q.build = func(db *bun.DB, key sink.Values) *query {
		events := retrieval.ForAll(db)
		if q.table != "" {
			events = retrieval.ForTable(db, q.table)
		}
		events.From(c.events).InSchema(c.schema).Between(since, until)
		if key != nil {
			events.Key(key)
		}
		if f.fields != nil {
			events.Field(f.fields...)
		}
		if f.actors != nil {
			events.By(f.actors...)
		}
		if f.ops != nil {
			events.Op(ops...)
		}
		if f.txs != nil {
			events.Tx(f.txs...)
		}
		return events
	}
	return q, nil
}

// errNoRow means that history has no row of that key.
var errNoRow = errors.New("history knows of no such row")

const noEvent = "there is no such event"

// someKey is the key of some event of a table, or nil.
func (c *command) someKey(ctx context.Context, db *bun.DB, table string) (sink.Values, error) {
	events, err := retrieval.ForTable(db, table).From(c.events).InSchema(c.schema).NewestFirst().Limit(1).All(ctx)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return events[0].Key, nil
}

// answer opens the database, answers the question by do, which returns how much it
// has found, and tells people where that is nothing: none, if nothing better.
func (c *command) answer(ctx context.Context, q *question, none string, do func(db *bun.DB) (found int, err error)) error {
	return c.with(ctx, func(db *bun.DB) error {
		var like sink.Values
		if q.key.values != nil {
			var err error
			if like, err = c.someKey(ctx, db, q.table); err != nil {
				return err
			}
			q.key = q.key.like(like)
		}
		n, err := do(db)
		if n > 0 || err != nil && !errors.Is(err, errNoRow) {
			return err
		}
		return errors.Join(err, c.hint(ctx, db, q, like, none))
	})
}
