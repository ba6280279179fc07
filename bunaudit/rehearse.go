package bunaudit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// An upsert or a MERGE, or an UPDATE that joins, does not say beforehand which
// rows it will find. So it is rehearsed: run once to learn which rows it touches,
// and undone; those that exist are then read under a lock; and it is run for good.
// A row that was read is an update, any other an insert, unless the database says
// that it was there: then somebody has inserted it in between, or the statement is
// another one each time (random()). It is undone, those rows are read too, and it
// is run again.

// maxRehearsals bounds how often a statement is tried. Each time it comes to
// rows that none of the times before did.
const maxRehearsals = 20

var errRaced = errors.New("it finds other rows each time it is tried, or other transactions keep changing them")

func (c *capture) rehearsed(ctx context.Context) (*outcome, error) {
	before := &images{byIdentity: map[string]image{}, asked: map[string]bool{}}
	touched, err := c.rehearse(ctx)
	for try := 0; err == nil && try < maxRehearsals; try++ {
		if err := c.readMore(ctx, before, touched); err != nil {
			return nil, err
		}
		if err := c.save(ctx); err != nil {
			return nil, err
		}
		out, rows, err := c.perform(ctx, before, try > 0)
		if err != nil {
			return nil, err
		}
		if out != nil {
			return out, c.release(ctx)
		}
		if err := c.undo(ctx); err != nil {
			return nil, err
		}
		touched = rows
	}
	switch {
	case err != nil:
		return nil, err
	case c.stmt.Verb == sqltext.Merge:
		return nil, c.refused("it changes primary keys, which can only be recorded where it writes its events itself, on PostgreSQL 18; " +
			"or it finds other rows each time it is tried")
	}
	return nil, c.notRecorded("", errRaced)
}

// rehearse runs the statement to learn which rows it touches, and undoes it.
func (c *capture) rehearse(ctx context.Context) ([]located, error) {
	if err := c.save(ctx); err != nil {
		return nil, err
	}
	returned, err := c.query(ctx, c.statement())
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	_, touched, err := c.split(returned)
	if err != nil {
		return nil, err
	}
	return touched, c.undo(ctx)
}

// readMore reads and locks those of the rows that were not read before.
func (c *capture) readMore(ctx context.Context, before *images, touched []located) error {
	var ids []identity
	for _, row := range touched {
		if key := row.identity.mapKey(); before.byIdentity[key] == nil {
			ids = append(ids, row.identity)
			before.asked[key] = true
		}
	}
	more, err := c.read(ctx, c.selectByIdentity(ids))
	if err != nil {
		return err
	}
	maps.Copy(before.byIdentity, more.byIdentity)
	return nil
}

// perform runs the statement for good. It returns no outcome but the rows that
// it came to where one was there before that was not read: because the database
// says so, or because no rehearsal came to the row. A key that the database makes
// up at random is another one each time, so count finds out whether as many rows
// are new as look it.
func (c *capture) perform(ctx context.Context, before *images, count bool) (out *outcome, rows []located, err error) {
	count = (count || c.moves) && c.fate() == "" && c.stmt.Verb == sqltext.Insert
	rowsBefore := 0
	if count {
		if rowsBefore, err = c.countRows(ctx); err != nil {
			return nil, nil, err
		}
	}
	returned, err := c.query(ctx, c.statement())
	if err != nil {
		return nil, nil, err
	}
	out, rows, err = c.split(returned)
	if err != nil {
		return nil, nil, err
	}
	if c.readsFate() {
		if err := c.readFates(ctx, rows); err != nil {
			return nil, nil, err
		}
	}
	known := maps.Clone(before.byIdentity)
	fresh, strange := 0, false
	for _, row := range rows {
		key := row.identity.mapKey()
		old, found := known[key]
		if row.identity.isNew() {
			old, found = nil, false
		}
		if !found {
			fresh++
			strange = strange || !before.asked[key]
		}
		switch {
		case row.fate == rowDeleted:
			out.changes = append(out.changes, rowChange{old: row.image})
			delete(known, key) // another row may get the key
			continue
		case row.fate == rowInserted && found && c.stmt.Verb == sqltext.Insert:
			return nil, nil, c.notRecorded(sink.Insert, errSameKey)
		case row.fate == rowInserted: // a MERGE may have deleted one of that key before
			old = nil
		case !found && (row.fate == rowFound || c.stmt.Verb == sqltext.Update):
			return nil, rows, nil
		}
		out.changes = append(out.changes, rowChange{old: old, new: row.image})
		known[key] = row.image // SQLite may come to a row again
	}
	if (strange || c.moves) && c.fate() == "" {
		if !count {
			return nil, rows, nil
		}
		after, err := c.countRows(ctx)
		if err != nil || after-rowsBefore != fresh {
			return nil, rows, err
		}
	}
	c.addLastID(ctx, out)
	return out, rows, nil
}

// readFates reads what became of the rows, where RETURNING could not say it.
func (c *capture) readFates(ctx context.Context, rows []located) error {
	result := &rowsInMemory{}
	err := bun.NewRawQuery(c.db, "?", bun.Safe(c.selectFate(rows))).Conn(c.unit.conn).Scan(ctx, result)
	if err != nil {
		return &statementError{err}
	}
	fates := make(map[string]fate, len(result.Rows))
	for _, values := range result.Rows {
		id, err := c.columns.identityOf(values)
		if err != nil {
			return c.notRecorded("", err)
		}
		fates[id.mapKey()] = fateOf(values[len(values)-1])
	}
	for i := range rows {
		rows[i].fate = fates[rows[i].identity.mapKey()]
	}
	return nil
}

// countRows counts the rows of the table.
func (c *capture) countRows(ctx context.Context) (n int, err error) {
	err = bun.NewRawQuery(c.db, "SELECT count(*) FROM ?", bun.Safe(c.tableName())).Conn(c.unit.conn).Scan(ctx, &n)
	if err != nil {
		return 0, &statementError{err}
	}
	return n, nil
}

// upsert records an INSERT that updates the rows that are there.
func (c *capture) upsert(ctx context.Context) (*outcome, error) {
	if c.columns.relation == remote {
		return nil, c.refused("the table is a view or a foreign table, of which the database does not say whether a row was there")
	}
	if upsertChangesIdentity(c.plan, c.text, c.stmt) {
		if err := c.identifyByConflict(); err != nil {
			return nil, err
		}
	}
	return c.rehearsed(ctx)
}

// identifyByConflict makes the columns of ON CONFLICT what tells the rows apart,
// in the place of the key that the upsert sets: those it leaves as they are.
func (c *capture) identifyByConflict() error {
	const reason = "the upsert changes the primary key of rows that it finds, and does not name the columns of one ON CONFLICT that it leaves alone"
	conflicts := c.stmt.Conflicts
	if len(conflicts) != 1 {
		return c.refused(reason)
	}
	target := conflicts[0].Target.In(c.text)
	if !strings.HasPrefix(target, "(") || !strings.HasSuffix(target, ")") {
		return c.refused(reason)
	}
	names, err := sqltext.Names(c.registry.lexical, target[1:len(target)-1])
	if err != nil {
		return c.refused(reason)
	}
	columns := *c.columns
	columns.identity, columns.nullable = nil, true
	for _, name := range names {
		for _, a := range conflicts[0].Assignments {
			if slices.ContainsFunc(a.Columns, func(set string) bool { return strings.EqualFold(set, name) }) {
				return c.refused(reason)
			}
		}
		d := c.registry.dialect
		columns.identity = append(columns.identity, d.keyColumn(string(d.quote(nil, name))))
	}
	c.columns, c.moves = &columns, true
	return nil
}

// merge records a MERGE: as one that is rehearsed, where the database can say
// what it did to each row.
func (c *capture) merge(ctx context.Context) (*outcome, error) {
	reason, err := c.registry.dialect.canMerge(ctx, c.unit)
	if err != nil {
		return nil, &statementError{err}
	}
	switch {
	case reason != "":
		return nil, c.refused(reason)
	case c.columns.relation != remote && !c.columns.inline.uniqueKey:
		return nil, c.refused("no unique index that is checked at once guards the key, by which its rows are told apart")
	}
	return c.rehearsed(ctx)
}

func (c *capture) save(ctx context.Context) error { return c.savepoint(ctx, "SAVEPOINT ") }

func (c *capture) release(ctx context.Context) error { return c.savepoint(ctx, "RELEASE SAVEPOINT ") }

// undo makes a rehearsal undone, and ends it.
func (c *capture) undo(ctx context.Context) error {
	if err := c.savepoint(ctx, "ROLLBACK TO SAVEPOINT "); err != nil {
		return err
	}
	c.unit.changed = false
	return c.release(ctx)
}

// savepoint sets or ends the savepoint of rehearsals.
func (c *capture) savepoint(ctx context.Context, command string) error {
	if err := c.unit.exec(ctx, command+"bunaudit_rehearsal"); err != nil {
		return &statementError{err}
	}
	return nil
}

// isRehearsed reports whether the statement may change rows that it doesn't
// name.
func isRehearsed(s sqltext.Statement) bool {
	if s.Verb == sqltext.Merge {
		return true
	}
	for _, c := range s.Conflicts {
		if c.Kind == sqltext.DoUpdate {
			return true
		}
	}
	return false
}

// upsertChangesIdentity reports whether an upsert sets a column that tells the
// rows apart, other than to what it has conflicted on.
func upsertChangesIdentity(p *plan, text string, s sqltext.Statement) bool {
	for _, c := range s.Conflicts {
		for _, a := range c.Assignments {
			for _, column := range a.Columns {
				if p.identityAt(column) >= 0 && !keepsConflictKey(column, text, c, a) {
					return true
				}
			}
		}
	}
	return false
}

// keepsConflictKey recognises ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id,
// which sets id to what it is.
func keepsConflictKey(column, text string, c sqltext.Conflict, a sqltext.Assignment) bool {
	if len(a.Columns) != 1 {
		return false
	}
	bare := func(s string) string {
		return strings.ToLower(strings.NewReplacer(`"`, "", " ", "").Replace(s))
	}
	return bare(a.Expr.In(text)) == "excluded."+strings.ToLower(column) &&
		bare(c.Target.In(text)) == "("+strings.ToLower(column)+")"
}
