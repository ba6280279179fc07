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
// of names, then a line for each changed field, as [Query.Changes] gives them. It
// returns the number of changes.
//
// Key, old and new value are JSON, so that NULL, the text null and no value are
// three things. A program for spreadsheets may take a text for a formula: it
// should be told to import texts.
func (q *Query[M]) WriteCSV(ctx context.Context, w io.Writer) (int, error) {
	out := csv.NewWriter(w)
	n := 0
	err := out.Write([]string{"time", "op", "table", "key", "field", "old", "new", "mask",
		"actor_id", "actor_type", "actor_name", "on_behalf_of", "reason", "tx", "event"})
	for c, readErr := range q.Changes(ctx) {
		if readErr != nil {
			out.Flush()
			return n, readErr
		}
		if err != nil {
			break
		}
		var key string
		if key, err = canonicalKey(c.Key); err != nil {
			break
		}
		err = out.Write([]string{c.Time.Format(time.RFC3339Nano), string(c.Op), c.Table, key, c.Field, string(c.OldJSON), string(c.NewJSON),
			string(c.Mask), c.Actor.ID, c.Actor.Type, c.Actor.Name, c.Actor.OnBehalfOf, c.Reason, c.Tx, c.EventID})
		n++
	}
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	if err != nil {
		return n, fmt.Errorf("retrieval: write CSV: %w", err)
	}
	return n, nil
}
