package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// query is one without a model.
type query = retrieval.Query[sink.Values]

// filter are the flags that say which events are meant.
type filter struct {
	key, fields, actors, ops, txs []string
	since, until                  string
}

func (f *filter) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.key, "key", nil, `of this row: column=value, once for each column of the key, or a JSON object; a value that is JSON is taken as JSON`)
	flags.StringArrayVar(&f.fields, "field", nil, "changes of this column; may be repeated")
	flags.StringArrayVar(&f.actors, "by", nil, `by the actor with this ID, "" for nobody; may be repeated`)
	flags.StringArrayVar(&f.ops, "op", nil, "of this operation: insert, update, delete, …; may be repeated")
	flags.StringArrayVar(&f.txs, "tx", nil, "of this transaction; may be repeated")
	flags.StringVar(&f.since, "since", "", "from then on: "+timeForms)
	flags.StringVar(&f.until, "until", "", "before then: "+timeForms)
}

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

func (c *command) parseTimes(f *filter) (since, until time.Time, err error) {
	if since, err = c.parseTime("--since", f.since); err != nil {
		return since, until, err
	}
	if until, err = c.parseTime("--until", f.until); err == nil && !until.IsZero() && !since.Before(until) {
		err = Usage("--since is not before --until: nothing was in between")
	}
	return since, until, err
}

func operations() []sink.Op { return append(changes(), sink.Snapshot, sink.Erase) }

// changes are the operations that change rows.
func changes() []sink.Op {
	return []sink.Op{sink.Insert, sink.Update, sink.Delete, sink.Restore, sink.Truncate, sink.Opaque}
}

const timeForms = "2026-01-02, 2026-01-02T03:04:05Z, or an age such as 90m or 30d"

// parseTime reads a time, or an age: how long it is ago. Dates begin in UTC.
// The empty text is the zero time.
func (c *command) parseTime(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return c.now.AddDate(0, 0, -int(n)), nil
		}
	}
	if age, err := time.ParseDuration(s); err == nil && age >= 0 {
		return c.now.Add(-age), nil
	}
	return time.Time{}, Usage("%s: not a time: write %s", flag, timeForms)
}

// empty reports whether no flag was given.
func (f *filter) empty() bool {
	return f.key == nil && f.fields == nil && f.actors == nil && f.ops == nil && f.txs == nil && f.since == "" && f.until == ""
}
