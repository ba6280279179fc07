package retrieval

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/auditctx"
	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// ErrConflict means that a row isn't what the changes to be undone have left: it
// has changed since. The error is a [*ConflictError].
var ErrConflict = errors.New("the row has changed since")

// ErrUnrecorded means that a change went through a database without the audit
// hook, and was undone therefore.
var ErrUnrecorded = errors.New("the change was not recorded: the database has no audit hook")

// ConflictError names the row that has changed since.
type ConflictError struct {
	Table string
	Key   sink.Values
	// Columns are those that have other values than the last change has given
	// them; nil where the row is not there, or is there again.
	Columns []string
}

// Error names the table and the columns.
func (e *ConflictError) Error() string {
	what := "a row is there that should not be, or is not there"
	if e.Columns != nil {
		what = "columns " + strings.Join(e.Columns, ", ")
	}
	return fmt.Sprintf("retrieval: revert %s: %v: %s", e.Table, ErrConflict, what)
}

// Is makes the error an [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// RevertOptions say how [Query.Revert] works.
type RevertOptions struct {
	// Reason is why the changes are undone. It is recorded. Required.
	Reason string

	// Force undoes the changes also where a column has changed since, whose later
	// value is lost then. The default refuses with [ErrConflict].
	Force bool

	// SkipMasked leaves columns as they are whose old values are not on record.
	// The default refuses with [ErrMasked].
	SkipMasked bool
}

// Revert undoes the events of the query, all or none, and returns how many rows
// it has changed. What was inserted is deleted, what was deleted is inserted
// again with its key, and columns get their old values back:
//
//	retrieval.For[Customer](db).Key(2).Since(t).Revert(ctx, opts)  // the row as it was before t
//	retrieval.ForAll(db).Tx(id).Revert(ctx, opts)                  // a whole transaction
//
// Each row is changed once, whatever number of events there are, by Bun's
// builders, through the query's database and in a transaction: so the hook
// records it. Where the row's event isn't there in the end Revert fails with
// [ErrUnrecorded], and nothing has happened. Columns that were not tracked keep
// their values; in a row that was deleted they get the database's defaults.
//
// Rows of tables other than the query's model's are written by models that Bun
// knows, see [bun.DB.RegisterModel]. Truncations and opaque events can't be
// undone, and limit, offset and cursor have no place here. The events are in
// memory together.
func (q *Query[M]) Revert(ctx context.Context, opts RevertOptions) (int, error) {
	r := &reverter{query: &q.query, RevertOptions: opts, tables: map[string]*live.Table{}}
	n, err := r.run(ctx)
	if err != nil && !errors.Is(err, ErrConflict) {
		return 0, fmt.Errorf("retrieval: revert: %w", err)
	}
	return n, err
}

type reverter struct {
	*query
	RevertOptions
	tables map[string]*live.Table
}

// undo is what is to be done about a row.
type undo struct {
	table       string
	key, target sink.Values // now, and when all is undone
	is, was     bool        // whether the row is there now, and will be
	now         sink.Values // the values that the row has to have
	then        sink.Values // those that it gets
	masked      []string
	marked      sink.Op // Delete or Restore: the last event that marks it by a column that isn't tracked; or ""
	mark        string  // that column
}

func (r *reverter) run(ctx context.Context) (int, error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case r.Reason == "":
		return 0, errors.New("give a reason, which is recorded")
	case r.limit != 0 || r.offset != 0 || r.after != nil || r.fields != nil:
		return 0, errors.New("events are undone as a whole: the query can't have a limit, an offset, a cursor or fields")
	}
	ctx = auditctx.WithReason(ctx, r.Reason)
	n := 0
	err := r.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		one := *r.query
		one.db, one.newest, one.numbered = tx, true, true
		if r.onSQLite() {
			if err := one.claim(ctx, tx); err != nil {
				return err
			}
		}
		undos, err := r.plan(ctx, &one)
		if err != nil {
			return err
		}
		for _, u := range undos {
			if err := r.undo(ctx, tx, u); err != nil {
				return err
			}
		}
		n = len(undos)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// plan goes through the events from the last to the first.
func (r *reverter) plan(ctx context.Context, q *query) ([]*undo, error) {
	var undos []*undo
	rows := map[string]*undo{} // by table and the key that the row has at that point
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
		var key string
		if key, failed = canonicalKey(currentKey(m, e.Key)); failed != nil {
			return false
		}
		u := rows[e.Table+"\x00"+key]
		if u == nil {
			current := currentKey(m, e.Key)
			exists := e.Op != sink.Delete || e.Soft
			u = &undo{table: e.Table, key: current, target: current, is: exists, was: exists, now: sink.Values{}, then: sink.Values{}}
			undos = append(undos, u)
		}
		delete(rows, e.Table+"\x00"+key)
		u.take(&e.Event, m)
		if key, failed = canonicalKey(u.target); failed != nil {
			return false
		}
		rows[e.Table+"\x00"+key] = u
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
		u.then[name] = c.Old
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

// undo changes one row.
func (r *reverter) undo(ctx context.Context, tx bun.Tx, u *undo) error {
	m, err := r.modelOf(u.table)
	if err != nil {
		return err
	}
	if len(u.masked) > 0 && u.was && !r.SkipMasked {
		slices.Sort(u.masked)
		return fmt.Errorf("columns %s of %s: %w", strings.Join(u.masked, ", "), u.table, ErrMasked)
	}
	table := r.tables[u.table]
	if table == nil {
		if table, err = live.Load(ctx, tx, m); err != nil {
			return err
		}
		r.tables[u.table] = table
	}
	lock := "UPDATE"
	if r.onSQLite() {
		lock = ""
	}
	rows, err := table.ByKeys(ctx, tx, []sink.Values{u.key}, lock)
	if err != nil {
		return err
	}
	if (len(rows) > 0) != u.is {
		return &ConflictError{Table: u.table, Key: u.key}
	}
	if u.is && !r.Force {
		if columns := u.differs(&rows[0]); columns != nil {
			return &ConflictError{Table: u.table, Key: u.key, Columns: columns}
		}
	}
	q := query{db: tx, events: r.events, table: u.table, model: m}
	var before sql.NullInt64
	if err := q.from(nil).ColumnExpr("max(e.seq)").Scan(ctx, &before); err != nil {
		return err
	}
	w := writer{tx: tx, model: m}
	wrote, recorded := true, u.target // under which key the event has to be
	switch {
	case u.is && !u.was:
		recorded = u.key
		err = w.remove(ctx, u.key)
	case !u.is && u.was:
		err = w.insert(ctx, u.target, u.then)
	case u.is:
		if u.mark != "" && !rows[0].Deleted { // there is no mark to take away
			delete(u.then, u.mark)
		}
		wrote, err = w.update(ctx, u, rows[0].Values())
	default: // it was inserted and deleted
		wrote = false
	}
	if err != nil || !wrote {
		return err
	}
	key, err := canonicalKey(recorded)
	if err != nil {
		return err
	}
	heard, err := q.heardOf(ctx, []string{key}, before.Int64)
	if err == nil && !heard[key] {
		err = ErrUnrecorded
	}
	return err
}

// differs returns the columns that have other values than they should.
func (u *undo) differs(r *live.Row) []string {
	var columns []string
	values := r.Values()
	for _, name := range slices.Sorted(maps.Keys(u.now)) {
		if raw, ok := values[name]; ok && string(raw) != string(u.now[name]) {
			columns = append(columns, name)
		}
	}
	if u.mark != "" && r.Deleted != (u.marked == sink.Delete) {
		columns = append(columns, u.mark)
	}
	return columns
}
