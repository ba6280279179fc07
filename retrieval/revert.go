package retrieval

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/auditctx"
	"github.com/sqlaudit/bun/internal/live"
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
	// them; nil where the row is not there, or another one has its key.
	Columns []string
	// Exists says whether there is a row with the key.
	Exists bool
}

// Error names the table and the columns.
func (e *ConflictError) Error() string {
	what := "it is no longer there"
	switch {
	case e.Columns != nil:
		what = listed(e.Columns)
	case e.Exists:
		what = "a row is there that has its key"
	}
	return fmt.Sprintf("retrieval: revert %s: %v: %s", e.Table, ErrConflict, what)
}

// listed names some columns.
func listed(columns []string) string {
	if len(columns) == 1 {
		return "column " + columns[0]
	}
	return "columns " + strings.Join(columns, ", ")
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

	// DryRun changes, locks and records nothing, and returns what Revert would
	// return: the same error, or how many rows it would change, as history and
	// the rows are at this moment. What a constraint, a trigger or a hook of the
	// model has against a change shows only when it is made.
	DryRun bool
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
// records it. All rows are looked at before the first is changed. Where a row's
// event isn't there in the end Revert fails with [ErrUnrecorded], and nothing has
// happened. Columns that were not tracked keep their values; in a row that was
// deleted they get the database's defaults. [RevertOptions.DryRun] tells
// beforehand.
//
// Where rows have exchanged their keys, one of them gets a temporary key first: a
// negative number or 0, another UUID, another text of the same form, which no row
// and no event has. So it has two events, and what refers to it by a foreign key
// goes with it, as it does with any change of a key. Keys of other types can't be
// exchanged back, which a dry run says too.
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

func (r *reverter) run(ctx context.Context) (int, error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case r.Reason == "":
		return 0, errors.New("give a reason, which is recorded")
	case r.limit != 0 || r.offset != 0 || r.after != nil || r.fields != nil:
		return 0, errors.New("events are undone as a whole: the query can't have a limit, an offset, a cursor or fields")
	}
	n := 0
	all := func(ctx context.Context, one *query) (err error) {
		n, err = r.undoAll(ctx, one)
		return err
	}
	var err error
	if r.DryRun {
		err = r.inSnapshot(ctx, all)
	} else {
		err = r.db.RunInTx(auditctx.WithReason(ctx, r.Reason), nil, func(ctx context.Context, tx bun.Tx) error {
			one := *r.query
			one.db = tx
			if r.onSQLite() {
				if err := one.claim(ctx, tx); err != nil {
					return err
				}
			}
			return all(ctx, &one)
		})
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// undoAll looks at all rows before it changes one, and returns how many it has
// changed.
func (r *reverter) undoAll(ctx context.Context, q *query) (int, error) {
	q.newest, q.numbered = true, true
	if err := r.truncated(ctx, q); err != nil {
		return 0, err
	}
	undos, err := r.plan(ctx, q)
	if err != nil {
		return 0, err
	}
	rows, err := byKey(undos)
	if err != nil {
		return 0, err
	}
	for _, u := range undos {
		if err := r.check(ctx, q.db, u, rows); err != nil {
			return 0, err
		}
	}
	ordered, circular := inOrder(undos, rows)
	if err := r.makeWay(ctx, q.db, circular, undos); err != nil {
		return 0, err
	}
	n := 0
	for _, u := range ordered {
		wrote, err := r.undo(ctx, q.db, u)
		if err != nil {
			return 0, err
		}
		if wrote {
			n++
		}
	}
	return n, nil
}

// check reads a row, and refuses where it isn't as the events have left it, or
// can't be what it was before.
func (r *reverter) check(ctx context.Context, db bun.IDB, u *undo, others map[string]*undo) error {
	table, err := r.liveTable(ctx, db, u.table)
	if err != nil {
		return err
	}
	u.leaveOut(table.Generated)
	if len(u.masked) > 0 && u.was && !r.SkipMasked {
		slices.Sort(u.masked)
		return fmt.Errorf("%s of %s: %w", listed(u.masked), u.table, ErrMasked)
	}
	w := writer{model: table.Model, undo: u}
	for _, key := range []sink.Values{u.key, u.target} {
		if err := w.eachKey(key, func(*schema.Field, any) {}); err != nil {
			return err // no row would be found by it
		}
	}
	rows, err := table.ByKeys(ctx, db, []sink.Values{u.key}, r.rowLock())
	if err != nil {
		return err
	}
	if (len(rows) > 0) != u.is && (u.is || others[u.at] == nil) {
		return &ConflictError{Table: u.table, Key: u.key, Exists: len(rows) > 0}
	}
	if u.is {
		u.row = &rows[0]
		if columns := u.differs(); columns != nil && !r.Force {
			return &ConflictError{Table: u.table, Key: u.key, Columns: columns, Exists: true}
		}
	}
	if !u.was || u.at == u.to {
		return nil
	}
	if rows, err = table.ByKeys(ctx, db, []sink.Values{u.target}, r.rowLock()); err != nil {
		return err
	}
	for i := range rows {
		if !others[inTable(u.table, rows[i].CanonicalKey())].leaves() {
			return &ConflictError{Table: u.table, Key: u.target, Exists: true}
		}
	}
	return nil
}

func (r *reverter) rowLock() string {
	if r.DryRun || r.onSQLite() {
		return ""
	}
	return "UPDATE"
}

// undo changes one row, and reports whether there was anything to do.
func (r *reverter) undo(ctx context.Context, db bun.IDB, u *undo) (bool, error) {
	w := writer{db: db, model: r.tables[u.table].Model, undo: u, dry: r.DryRun}
	switch {
	case u.is && !u.was:
		return r.recorded(ctx, w, u.key, func() (bool, error) { return true, w.remove(ctx, u.key) })
	case !u.is && u.was:
		return r.recorded(ctx, w, u.target, func() (bool, error) { return true, w.insert(ctx, u.target, u.then) })
	case u.is:
		if u.mark != "" && !u.row.Deleted { // there is no mark to take away
			delete(u.then, u.mark)
		}
		return r.recorded(ctx, w, u.target, func() (bool, error) { return w.update(ctx, u) })
	}
	return false, nil // it was inserted and deleted
}

// recorded changes a row, and reports whether there was anything to do. The key is
// the one under which the event has to be.
func (r *reverter) recorded(ctx context.Context, w writer, under sink.Values, change func() (bool, error)) (bool, error) {
	q := query{db: w.db, events: r.events, table: w.undo.table, model: w.model}
	var before sql.NullInt64
	if err := q.from(nil).ColumnExpr("max(e.seq)").Scan(ctx, &before); err != nil {
		return false, err
	}
	wrote, err := change()
	switch {
	case err != nil || !wrote:
		return false, err
	case r.DryRun:
		return true, w.probe(ctx)
	}
	key, err := canonicalKey(under)
	if err != nil {
		return false, err
	}
	heard, err := q.heardOf(ctx, []string{key}, before.Int64)
	if err == nil && !heard[key] {
		err = ErrUnrecorded
	}
	return true, err
}
