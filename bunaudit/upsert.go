package bunaudit

import (
	"context"
	"errors"
	"strings"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// An upsert does not say beforehand which rows it will find. So it is run
// twice: once to learn which rows it touches, and is undone; those that exist
// are then read under a lock; and it is run for good. A row that was read is an
// update, any other an insert, unless the database says that it was there: then
// somebody has inserted it in between, and the whole is tried again.

// upsertTries bounds how often an upsert is tried. Each time another
// transaction has to insert one of its rows between two round trips.
const upsertTries = 20

var errUpsertRaced = errors.New("other transactions keep inserting the same rows")

func (c *capture) upsert(ctx context.Context) (*outcome, error) {
	for range upsertTries {
		before, err := c.upsertImages(ctx)
		if err != nil {
			return nil, err
		}
		if err := c.unit.exec(ctx, "SAVEPOINT "+upsertSavepoint); err != nil {
			return nil, &statementError{err}
		}
		out, raced, err := c.tryUpsert(ctx, before)
		if err != nil {
			return nil, err
		}
		if !raced {
			return out, c.release(ctx)
		}
		if err := c.undo(ctx); err != nil {
			return nil, err
		}
	}
	return nil, c.notRecorded("", errUpsertRaced)
}

// upsertImages reads the rows that the upsert is going to find.
func (c *capture) upsertImages(ctx context.Context) (*images, error) {
	if err := c.unit.exec(ctx, "SAVEPOINT "+upsertSavepoint); err != nil {
		return nil, &statementError{err}
	}
	returned, err := c.query(ctx, c.statement(c.stmt.End))
	if err != nil {
		return nil, err
	}
	_, touched, err := c.split(returned)
	if err != nil {
		return nil, err
	}
	if err := c.undo(ctx); err != nil {
		return nil, err
	}
	ids := make([]identity, len(touched))
	for i, row := range touched {
		ids[i] = row.identity
	}
	return c.read(ctx, c.selectByIdentity(ids))
}

// tryUpsert runs the upsert for good. It reports that it has raced with another
// transaction where the database says of a row that it was there before, and it
// wasn't when the rows were read.
func (c *capture) tryUpsert(ctx context.Context, before *images) (out *outcome, raced bool, err error) {
	returned, err := c.query(ctx, c.statement(c.stmt.End))
	if err != nil {
		return nil, false, err
	}
	out, rows, err := c.split(returned)
	if err != nil {
		return nil, false, err
	}
	for _, row := range rows {
		key := row.identity.mapKey()
		old, found := before.byIdentity[key]
		if !found && row.existed {
			return nil, true, nil
		}
		out.changes = append(out.changes, rowChange{old: old, new: row.image})
		before.byIdentity[key] = row.image // SQLite may come to a row again
	}
	return out, false, c.resultOf(ctx, out)
}

const upsertSavepoint = "bunaudit_upsert"

func (c *capture) release(ctx context.Context) error {
	if err := c.unit.exec(ctx, "RELEASE SAVEPOINT "+upsertSavepoint); err != nil {
		return &statementError{err}
	}
	return nil
}

func (c *capture) undo(ctx context.Context) error {
	if err := c.unit.exec(ctx, "ROLLBACK TO SAVEPOINT "+upsertSavepoint); err != nil {
		return &statementError{err}
	}
	return c.release(ctx)
}

// isUpsert reports whether an insert may change rows that exist.
func isUpsert(s sqltext.Statement) bool {
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
				if p.isIdentity(column) && !keepsConflictKey(column, text, c, a) {
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
