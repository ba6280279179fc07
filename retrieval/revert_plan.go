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
	marked      sink.Op // Delete or Restore: the last event that marks it by a column that isn't tracked; or ""
	mark        string  // that column

	row *live.Row // as it is, where it is there
}

// inTable is a key of a table, as a text.
func inTable(table, key string) string { return table + "\x00" + key }

// plan goes through the events from the last to the first.
func (r *reverter) plan(ctx context.Context, q *query) ([]*undo, error) {
	var undos []*undo
	rows := map[string]*undo{} // by the place of the row at that point
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
		u := rows[at]
		if u == nil {
			exists := e.Op != sink.Delete || e.Soft
			u = &undo{table: e.Table, event: e.ID, key: current, target: current, at: at, is: exists, was: exists,
				now: sink.Values{}, then: sink.Values{}, from: map[string]string{}}
			undos = append(undos, u)
		}
		delete(rows, at)
		u.take(&e.Event, m)
		if key, failed = canonicalKey(u.target); failed != nil {
			return false
		}
		u.to = inTable(e.Table, key)
		rows[u.to] = u
		return true
	})
	if failed != nil {
		err = failed
	}
	return undos, err
}

// take undoes one more event.
func (u *undo) take(e *sink.Event, m *model.Model) {
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
	if f := m.Bun.SoftDeleteField; f != nil && (e.Op == sink.Delete && e.Soft || e.Op == sink.Restore) {
		if _, ok := e.Changes[f.Name]; !ok { // it isn't tracked
			u.takeMark(e.Op, f.Name)
		}
	}
}

// takeMark undoes one more event that marks the row as deleted, or no longer. A
// row that is marked alike in the end keeps its mark.
func (u *undo) takeMark(op sink.Op, column string) {
	if u.marked == "" {
		u.marked, u.mark = op, column
	}
	delete(u.then, column)
	if u.marked == sink.Delete && op == sink.Delete {
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

// inOrder puts each row behind the one that has the key which it gets, and which
// that leaves.
func inOrder(undos []*undo, leaving map[string]*undo) []*undo {
	ordered := make([]*undo, 0, len(undos))
	seen := map[*undo]bool{}
	var add func(*undo)
	add = func(u *undo) {
		if seen[u] {
			return
		}
		seen[u] = true
		if first := leaving[u.to]; first != nil && u.was {
			add(first)
		}
		ordered = append(ordered, u)
	}
	for _, u := range undos {
		add(u)
	}
	return ordered
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
	if u.mark != "" && u.row.Deleted != (u.marked == sink.Delete) {
		columns = append(columns, u.mark)
	}
	return columns
}
