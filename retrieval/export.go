package retrieval

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// WriteJSONLines runs the query and writes its events to w, one JSON object a
// line, in the form of docs/event-format.md. It returns how many it has written.
func (q *Query[M]) WriteJSONLines(ctx context.Context, w io.Writer) (int, error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	n := 0
	var failed error
	err := q.each(ctx, q.limit, q.offset, func(e *found) bool {
		if failed = enc.Encode(&e.Event); failed != nil {
			return false
		}
		n++
		return true
	})
	if failed != nil {
		return n, fmt.Errorf("retrieval: write JSON Lines: %w", failed)
	}
	return n, err
}

// WriteCSV runs the query and writes its changes to w as CSV (RFC 4180): a line
// of names, then a line for each changed field, as [Query.Changes] gives them, and
// one without a field for each event that has none, so that no event is missing.
// It returns the number of these lines.
//
// Key, old and new value are JSON, so that NULL, the text null and no value are
// three things. A program for spreadsheets may take a text for a formula: it
// should be told to import texts.
func (q *Query[M]) WriteCSV(ctx context.Context, w io.Writer) (int, error) {
	out := csv.NewWriter(w)
	n := 0
	failed := out.Write([]string{"time", "op", "table", "key", "field", "old", "new", "mask",
		"actor_id", "actor_type", "actor_name", "on_behalf_of", "reason", "tx", "event"})
	err := q.eachChange(ctx, true, func(c Change) bool {
		if failed == nil {
			failed = writeCSV(out, c)
		}
		if failed != nil {
			return false
		}
		n++
		return true
	})
	out.Flush()
	if failed == nil && err == nil {
		failed = out.Error()
	}
	if failed != nil {
		return n, fmt.Errorf("retrieval: write CSV: %w", failed)
	}
	return n, err
}

func writeCSV(out *csv.Writer, c Change) error {
	key := ""
	if c.Key != nil {
		var err error
		if key, err = canonicalKey(c.Key); err != nil {
			return err
		}
	}
	return out.Write([]string{c.Time.Format(time.RFC3339Nano), string(c.Op), c.Table, key, c.Field, string(c.OldJSON), string(c.NewJSON),
		string(c.Mask), c.Actor.ID, c.Actor.Type, c.Actor.Name, c.Actor.OnBehalfOf, c.Reason, c.Tx, c.EventID})
}
