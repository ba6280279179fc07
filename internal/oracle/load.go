package oracle

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
)

// row is a row of a table, each column in normal form.
type row map[string]string

// change is what a trigger saw, or what an event says, in the same terms.
type change struct {
	seq      int64
	table    *table
	op       string // insert, update, delete, truncate, restore; with "soft " before it
	key      string // normal form of the key's columns, after the change
	oldKey   string // the key before, where it was another
	cols     map[string]diff
	tx       string // PostgreSQL's id, or the event's
	sequence string // in the outbox, where events come by way of Kafka

	label string // the name of the transaction or statement in the program, where it is known
}

// diff is what happened to a column; an empty text stands for no value.
type diff struct{ old, new, mask string }

// record is all that is known after a run.
type record struct {
	tables  []*table
	changes []change // by the triggers
	events  []change // by the audit
	live    map[*table]map[string]row
}

func (w *World) load(ctx context.Context) (*record, error) {
	r := &record{tables: w.tables, live: map[*table]map[string]row{}}
	if err := w.loadChanges(ctx, r); err != nil {
		return nil, fmt.Errorf("oracle: load changes: %w", err)
	}
	if err := w.loadEvents(ctx, r); err != nil {
		return nil, fmt.Errorf("oracle: load events: %w", err)
	}
	for _, t := range w.tables {
		live, err := w.readLive(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("oracle: load %s: %w", t.name, err)
		}
		r.live[t] = live
	}
	return r, nil
}

func (w *World) each(ctx context.Context, query string, scan func(*sql.Rows) error) error {
	rows, err := w.plain.DB.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *record) table(name string) (*table, error) {
	for _, t := range r.tables {
		if t.name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("unknown table %q", name)
}

func (w *World) loadChanges(ctx context.Context, r *record) error {
	query := "SELECT seq, tbl, op, COALESCE(xid, ''), label, " + w.sql.quote("old") + ", " + w.sql.quote("new") + " FROM oracle_log ORDER BY seq"
	return w.each(ctx, query, func(rows *sql.Rows) error {
		var c change
		var name, op string
		var oldText, newText sql.NullString
		if err := rows.Scan(&c.seq, &name, &op, &c.tx, &c.label, &oldText, &newText); err != nil {
			return err
		}
		var err error
		if c.table, err = r.table(name); err != nil {
			return err
		}
		before, err := w.row(c.table, oldText)
		if err != nil {
			return err
		}
		after, err := w.row(c.table, newText)
		if err != nil {
			return err
		}
		if c.describe(before, after) {
			r.changes = append(r.changes, c)
		}
		return nil
	})
}

// row reads a row that the database has written out.
func (w *World) row(t *table, text sql.NullString) (row, error) {
	if !text.Valid {
		return nil, nil
	}
	return w.sql.read(t, text.String)
}

func (t *table) keyOf(r row) string {
	key := map[string]json.RawMessage{}
	for _, c := range t.columns {
		if c.key {
			key[c.name] = json.RawMessage(r[c.name])
		}
	}
	return encode(key)
}

// describe says what an event about the rows would have to say, and reports
// whether there has to be one.
func (ch *change) describe(before, after row) bool {
	t := ch.table
	ch.cols = map[string]diff{}
	switch {
	case before == nil && after == nil:
		ch.op = "truncate"
		return true
	case before == nil:
		ch.op, ch.key = "insert", t.keyOf(after)
	case after == nil:
		ch.op, ch.key = "delete", t.keyOf(before)
	default:
		ch.op, ch.key = "update", t.keyOf(after)
		if old := t.keyOf(before); old != ch.key {
			ch.oldKey = old
		}
	}
	for _, col := range t.columns {
		if col.tracked && (before[col.name] != after[col.name] || ch.op != "update") {
			ch.cols[col.name] = col.masked(before[col.name], after[col.name])
		}
		if col.key && ch.oldKey != "" && before[col.name] != after[col.name] {
			ch.cols[col.name] = diff{old: before[col.name], new: after[col.name]}
		}
	}
	if ch.op != "update" || t.soft == "" {
		return ch.op != "update" || len(ch.cols) > 0
	}
	switch was, is := before[t.soft] != null, after[t.soft] != null; {
	case !was && is:
		ch.op = "soft delete"
	case was && !is:
		ch.op = "soft restore"
	default:
		return len(ch.cols) > 0
	}
	return true
}

// masked is what may be recorded of two values.
func (c column) masked(before, after string) diff {
	switch c.mask {
	case "redact":
		return diff{mask: c.mask}
	case "hash":
		d := diff{mask: c.mask}
		if before != "" {
			d.old = hashed(before)
		}
		if after != "" {
			d.new = hashed(after)
		}
		return d
	}
	return diff{old: before, new: after}
}

func (w *World) loadEvents(ctx context.Context, r *record) error {
	query := "SELECT seq, table_name, op, soft, " + w.sql.quote("key") + ", old_key, changes, meta, tx FROM audit_events ORDER BY seq"
	return w.each(ctx, query, func(rows *sql.Rows) error {
		var c change
		var name string
		var soft bool
		var key, oldKey, changes, meta sql.NullString
		if err := rows.Scan(&c.seq, &name, &c.op, &soft, &key, &oldKey, &changes, &meta, &c.tx); err != nil {
			return err
		}
		var err error
		// Where a statement names the schema so does the event.
		if c.table, err = r.table(strings.TrimPrefix(name, w.schema+".")); err != nil {
			return err
		}
		if soft {
			c.op = "soft " + c.op
		}
		if key.Valid {
			c.key = normalEvent(json.RawMessage(key.String))
		}
		if oldKey.Valid {
			c.oldKey = normalEvent(json.RawMessage(oldKey.String))
		}
		var cols map[string]struct {
			Old, New json.RawMessage
			Mask     string
		}
		var labels struct{ Label, Sequence string }
		if changes.Valid {
			err = json.Unmarshal([]byte(changes.String), &cols)
		}
		if err == nil && meta.Valid {
			err = json.Unmarshal([]byte(meta.String), &labels)
		}
		c.label, c.sequence = labels.Label, labels.Sequence
		c.cols = map[string]diff{}
		for column, d := range cols {
			n := diff{mask: d.Mask}
			if d.Old != nil {
				n.old = normalEvent(d.Old)
			}
			if d.New != nil {
				n.new = normalEvent(d.New)
			}
			c.cols[column] = n
		}
		r.events = append(r.events, c)
		return err
	})
}

// readLive reads the table as it is, by key.
func (w *World) readLive(ctx context.Context, t *table) (map[string]row, error) {
	query := fmt.Sprintf("SELECT %s FROM %s AS t", w.sql.row(t, "t"), t.quoted())
	live := map[string]row{}
	err := w.each(ctx, query, func(rows *sql.Rows) error {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			return err
		}
		v, err := w.row(t, text)
		if err == nil {
			live[t.keyOf(v)] = v
		}
		return err
	})
	return live, err
}
