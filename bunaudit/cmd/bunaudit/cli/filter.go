package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlaudit/bun/sink"
)

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
