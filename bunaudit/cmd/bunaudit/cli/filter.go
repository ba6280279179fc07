package cli

import (
	"encoding/json"
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

// parse returns what makes the query, once there is a database: so that mistakes
// are found before it is opened. Without args it is about all tables.
func (c *command) parse(f *filter, args []string) (func(*bun.DB) *query, error) {
	key, err := parseKey(f.key)
	if err != nil {
		return nil, err
	}
	if key != nil && len(args) == 0 {
		return nil, Usage("--key needs the name of a table")
	}
	since, err := c.parseTime("--since", f.since)
	if err != nil {
		return nil, err
	}
	until, err := c.parseTime("--until", f.until)
	if err != nil {
		return nil, err
	}
	ops := make([]sink.Op, len(f.ops))
	for i, op := range f.ops {
		ops[i] = sink.Op(op)
		if !slices.Contains(operations(), ops[i]) {
			return nil, Usage("--op: there is no operation of that name")
		}
	}
	for _, tx := range f.txs {
		if _, err := uuid.Parse(tx); err != nil || len(tx) != 36 {
			return nil, Usage("--tx: the ID of a transaction is a UUID, as history --json prints it")
		}
	}
	return func(db *bun.DB) *query {
		q := retrieval.ForAll(db)
		if len(args) > 0 {
			q = retrieval.ForTable(db, args[0])
		}
		q.From(c.events).InSchema(c.schema).Between(since, until)
		if key != nil {
			q.Key(key)
		}
		if f.fields != nil {
			q.Field(f.fields...)
		}
		if f.actors != nil {
			q.By(f.actors...)
		}
		if f.ops != nil {
			q.Op(ops...)
		}
		if f.txs != nil {
			q.Tx(f.txs...)
		}
		return q
	}, nil
}

func operations() []sink.Op {
	return []sink.Op{sink.Insert, sink.Update, sink.Delete, sink.Restore, sink.Truncate, sink.Opaque, sink.Snapshot, sink.Erase}
}

// parseKey reads the flags --key. No flags are no key.
func parseKey(flags []string) (sink.Values, error) {
	if len(flags) == 0 {
		return nil, nil
	}
	key := make(sink.Values)
	if len(flags) == 1 && strings.HasPrefix(flags[0], "{") {
		if err := json.Unmarshal([]byte(flags[0]), &key); err != nil || len(key) == 0 {
			return nil, Usage(`--key: not an object of JSON such as {"id": 2}`)
		}
		return key, nil
	}
	for _, flag := range flags {
		column, v, ok := strings.Cut(flag, "=")
		if _, again := key[column]; !ok || column == "" || again {
			return nil, Usage(`--key: each one has the form column=value, for another column`)
		}
		raw := json.RawMessage(v)
		if !json.Valid(raw) {
			raw, _ = json.Marshal(v) // a string always is JSON
		}
		key[column] = raw
	}
	return key, nil
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
