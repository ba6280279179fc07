package retrieval

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// undo is what is to be done about a row.
type undo struct {
	table       string
	event       string            // the last of its events
	key, target sink.Values       // now, and when all is undone
	at, to      string            // the same, see inTable
	is, was     bool              // whether the row is there now, and will be
	now         sink.Values       // the values that the row has to have
	then        sink.Values       // those that it gets
	from        map[string]string // the events that these are of
	masked      []string
	marked      sink.Op   // Delete or Restore: the last event that marks it by a column that isn't tracked, Insert where that doesn't say; or ""
	mark        string    // that column
	deleted     statement // the one that has deleted the row, where that was undone last

	row *live.Row // as it is, where it is there
}

// inTable is a key of a table, as a text.
func inTable(table, key string) string { return table + "\x00" + key }

// plan goes through the events from the last to the first.
func (r *reverter) plan(ctx context.Context, q *query) ([]*undo, error) {
	var undos []*undo
	rows := map[string]*undo{} // by the place of the row at that point
	left := map[string]*undo{} // those that have left theirs by the statement: it may have given them to others
	var last statement
	var failed error
	err := q.each(ctx, 0, 0, func(e *found) bool {
		switch e.Op {
		case sink.Truncate, sink.Opaque:
			failed = fmt.Errorf("the %s of %s can't be undone (event %s)", e.Op, e.Table, e.ID)
			return false
		case sink.Snapshot, sink.Erase:
			return true
		}
		var m *model.Model
		if m, failed = r.modelOf(e.Table); failed != nil {
			return false
		}
		current := currentKey(m, e.Key)
		var key string
		if key, failed = canonicalKey(current); failed != nil {
			return false
		}
		at := inTable(e.Table, key)
		if !last.is(statementOf(&e.Event)) {
			maps.Copy(rows, left)
			clear(left)
			last = statementOf(&e.Event)
		}
		exists := e.Op != sink.Delete || e.Soft
		u := rows[at]
		switch {
		case u == nil:
		case u.was && !exists: // that has got the key by the same statement
			u = nil
		case e.OldKey != nil && u.deleted.is(last): // by the statement that has given its key to another row
			left[at], u = u, nil
			delete(rows, at)
		default:
			delete(rows, at)
		}
		if u == nil {
			u = &undo{table: e.Table, event: e.ID, key: current, target: current, at: at, is: exists, was: exists,
				now: sink.Values{}, then: sink.Values{}, from: map[string]string{}}
			undos = append(undos, u)
		}
		u.take(&e.Event, m)
		if key, failed = canonicalKey(u.target); failed != nil {
			return false
		}
		u.to = inTable(e.Table, key)
		if e.OldKey != nil || rows[u.to] != nil {
			left[u.to] = u
		} else {
			rows[u.to] = u
		}
		return true
	})
	if failed != nil {
		err = failed
	}
	return undos, err
}

// take undoes one more event.
func (u *undo) take(e *sink.Event, m *model.Model) {
	u.deleted = statement{}
	if e.Op == sink.Delete && !e.Soft {
		u.deleted = statementOf(e)
	}
	if e.OldKey != nil {
		u.target = currentKey(m, e.OldKey)
	}
	u.was = e.Op != sink.Insert
	for name, c := range e.Changes {
		name = m.Current(name)
		if _, isKey := u.key[name]; isKey {
			continue
		}
		if c.Mask != sink.Unmasked {
			if e.Op != sink.Insert && !slices.Contains(u.masked, name) {
				u.masked = append(u.masked, name)
			}
			continue
		}
		if _, later := u.then[name]; !later && c.New != nil {
			u.now[name] = c.New
		}
		u.then[name], u.from[name] = c.Old, e.ID
	}
	f := m.Bun.SoftDeleteField
	if f == nil {
		return
	}
	if _, ok := e.Changes[f.Name]; ok { // else it isn't tracked
		return
	}
	switch {
	case e.Op == sink.Delete && e.Soft, e.Op == sink.Restore:
		u.takeMark(e.Op, f.Name)
	case e.Op == sink.Insert && u.marked == "": // it may have been inserted with a mark, and what marked the row that had the key before didn't mark it
		u.marked, u.mark = sink.Insert, f.Name
	}
}

// takeMark undoes one more event that marks the row as deleted, or no longer. A
// row that is marked alike in the end keeps its mark.
func (u *undo) takeMark(op sink.Op, column string) {
	if u.marked == "" {
		u.marked, u.mark = op, column
	}
	delete(u.then, column)
	if u.marked != sink.Restore && op == sink.Delete {
		u.then[column] = json.RawMessage("null")
	}
}

func (r *reverter) modelOf(table string) (*model.Model, error) {
	if r.model != nil && table == r.table {
		return r.model, nil
	}
	t := r.db.Dialect().Tables().ByName(table)
	if t == nil {
		return nil, fmt.Errorf("no model for the table %s is known to Bun: register it with RegisterModel", table)
	}
	m, err := model.Of(t)
	if err == nil && m == nil {
		err = fmt.Errorf("the model of the table %s has no audit tag", table)
	}
	return m, err
}

// byKey are the rows that are there, by the keys that they have.
// It refuses where two rows would have the same key.
func byKey(undos []*undo) (map[string]*undo, error) {
	having, getting := map[string]*undo{}, map[string]*undo{}
	for _, u := range undos {
		var other *undo
		if u.is {
			other = having[u.at]
		}
		if u.was && other == nil {
			other = getting[u.to]
		}
		if other != nil {
			return nil, fmt.Errorf("history has two rows of %s with the same key (events %s and %s): the query leaves out what became of one of them, "+
				"or something has changed the table behind the hook's back", u.table, other.event, u.event)
		}
		if u.is {
			having[u.at] = u
		}
		if u.was {
			getting[u.to] = u
		}
	}
	return having, nil
}

// leaves reports whether it is a row that goes, or gets another key.
func (u *undo) leaves() bool { return u != nil && u.is && (!u.was || u.at != u.to) }

// inOrder puts each row behind the one that has the key which it gets, and which
// that leaves. Where that goes round in a circle one of its rows has to make way
// before: those it returns, too.
func inOrder(undos []*undo, rows map[string]*undo) (ordered, circular []*undo) {
	seen, done := map[*undo]bool{}, map[*undo]bool{}
	var add func(*undo)
	add = func(u *undo) {
		seen[u] = true
		first := rows[u.to]
		switch {
		case !first.leaves() || !u.was || done[first]:
		case seen[first]:
			circular = append(circular, first)
		default:
			add(first)
		}
		ordered, done[u] = append(ordered, u), true
	}
	for _, u := range undos {
		if !seen[u] {
			add(u)
		}
	}
	return ordered, circular
}

// differs returns the columns that have other values than they should.
func (u *undo) differs() []string {
	var columns []string
	values := u.row.Values()
	for _, name := range slices.Sorted(maps.Keys(u.now)) {
		if raw, ok := values[name]; ok && string(raw) != string(u.now[name]) {
			columns = append(columns, name)
		}
	}
	if u.mark != "" && u.marked != sink.Insert && u.row.Deleted != (u.marked == sink.Delete) {
		columns = append(columns, u.mark)
	}
	return columns
}
