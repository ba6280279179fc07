package bunaudit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/sqlaudit/bun/internal/replay"
	"github.com/sqlaudit/bun/internal/sqltext"
)

// capture runs one statement the general way: what the rows were is read, under
// a lock, before the statement runs; what they are now comes with its RETURNING
// clause.
type capture struct {
	*recorder
	unit     *unit
	wantRows bool
	columns  *columns
	schema   string // of a table that is shadowed
	names    string // of the columns that it returns, once they were asked for
	moves    bool   // it is an upsert that sets the key of the rows that it finds
	param    int    // the first parameter of the events, see eventrow.Select
}

func (c *capture) run(ctx context.Context) (*outcome, error) {
	if c.stmt.Verb == sqltext.Truncate {
		return c.truncate(ctx)
	}
	if own, ok := c.registry.dialect.(capturer); ok {
		return own.capture(ctx, c)
	}
	if err := c.loadColumns(ctx); err != nil {
		return nil, c.loadFailed(ctx, err)
	}
	if isReplace(c.text, c.stmt) {
		return c.replaceOnSQLite(ctx)
	}
	switch c.stmt.Verb {
	case sqltext.Insert:
		if isRehearsed(c.stmt) {
			return c.upsert(ctx)
		}
		return c.runReturning(ctx, inserted)
	case sqltext.Merge:
		return c.merge(ctx)
	case sqltext.Delete:
		return c.runReturning(ctx, deleted)
	default: // arm lets nothing else pass
		return c.update(ctx)
	}
}

// loadColumns finds out how to read the table that the statement names, once
// for each name.
func (c *capture) loadColumns(ctx context.Context) error {
	name := c.stmt.TargetText.In(c.text)
	if cached, ok := c.plan.images.Load(name); ok {
		c.columns = cached.(*columns)
		return nil
	}
	cols, err := c.registry.dialect.columns(ctx, c.unit, c.plan, c.relation())
	if err != nil {
		return err
	}
	c.columns = cols
	c.plan.images.Store(name, cols)
	return nil
}

// forgetColumns makes the next statement read the table anew: it may have been
// altered.
func (c *capture) forgetColumns() { c.plan.images.Delete(c.stmt.TargetText.In(c.text)) }

// runReturning records a statement that returns all that it does: what became of
// each row.
func (c *capture) runReturning(ctx context.Context, change func(image) rowChange) (*outcome, error) {
	returned, err := c.query(ctx, c.statement())
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	out, rows, err := c.split(returned)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		out.changes = append(out.changes, change(row.image))
	}
	c.addLastID(ctx, out)
	return out, nil
}

func inserted(row image) rowChange { return rowChange{new: row} }

func deleted(row image) rowChange { return rowChange{old: row} }

func (c *capture) update(ctx context.Context) (*outcome, error) {
	if err := c.unshadow(ctx); err != nil {
		return nil, err
	}
	joins := !c.stmt.From.Empty()
	if joins && c.registry.dialect.snapshots() && c.columns.relation != remote && !changesIdentity(c.plan, c.stmt) && !usesOurNames(c.text) {
		return c.joinedUpdate(ctx)
	}
	if claim := c.registry.dialect.claim(c.target(), c.plan); claim != "" {
		if _, err := c.unit.conn.ExecContext(ctx, claim); err != nil {
			return nil, c.readFailed(ctx, err)
		}
	}
	before, err := c.oldImages(ctx)
	if err != nil {
		return nil, err
	}
	returned, err := c.query(ctx, c.restrictedUpdate(before.order))
	if err != nil {
		return nil, err
	}
	out, after, err := c.split(returned)
	if err != nil {
		return nil, err
	}
	if joins && len(after) < len(before.order) {
		return nil, c.notRecorded("", errUnstable)
	}
	for _, row := range after {
		old, err := before.of(row, len(after))
		if err != nil {
			return nil, c.notRecorded("", err)
		}
		out.changes = append(out.changes, rowChange{old: old, new: row.image})
	}
	c.addLastID(ctx, out)
	return out, nil
}

var errUnstable = errors.New("what the statement joins came out differently when it was evaluated again: " +
	"select the keys of the rows first, and update by them")

// addLastID completes the result of a statement. For one other than an insert
// SQLite's drivers report the id of the last insert on the connection.
func (c *capture) addLastID(ctx context.Context, out *outcome) {
	if !c.wantRows {
		out.lastID, out.noLastID = c.registry.dialect.lastInsertID(ctx, c.unit)
	}
}

// query runs the statement itself.
func (c *capture) query(ctx context.Context, text string) (*replay.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &statementError{err}
	}
	c.unit.changed = true
	rows, err := c.unit.conn.QueryContext(c.registry.dialect.patient(ctx), text)
	if err == nil {
		var result *replay.Result
		if result, err = replay.Read(rows); err == nil {
			return result, nil
		}
	}
	if c.registry.dialect.misfit(err) {
		c.forgetColumns()
	}
	return nil, &statementError{err}
}

// exec runs the statement itself, where it returns nothing.
func (c *capture) exec(ctx context.Context, text string) (sql.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &statementError{err}
	}
	c.unit.changed = true
	res, err := c.unit.conn.ExecContext(ctx, text)
	if err != nil {
		if c.registry.dialect.misfit(err) {
			c.forgetColumns()
		}
		return nil, &statementError{err}
	}
	return res, nil
}

// located is a row that was read: its identity and its image.
type located struct {
	identity identity
	image    image
	fate     fate
}

// fate is what the database says that an upsert or a MERGE did to a row.
type fate uint8

const (
	fateUnknown fate = iota
	rowInserted
	rowFound // and updated
	rowDeleted
)

func fateOf(v driver.Value) fate {
	switch v := v.(type) {
	case []byte:
		return fateOf(string(v))
	case string:
		switch v {
		case "INSERT":
			return rowInserted
		case "UPDATE":
			return rowFound
		case "DELETE":
			return rowDeleted
		}
	}
	return fateUnknown
}

var errFewColumns = errors.New("the database returned fewer columns than asked for")

// split takes the columns that we added to the RETURNING clause off the result.
func (c *capture) split(result *replay.Result) (*outcome, []located, error) {
	ours := c.columns.width()
	told := c.returnsFate()
	if told {
		ours++
	}
	at := len(result.Columns) - ours
	if at < 0 {
		return nil, nil, c.notRecorded("", errFewColumns)
	}
	rows := make([]located, len(result.Rows))
	for i, values := range result.Rows {
		id, img, err := c.columns.row(values[at : at+c.columns.width()])
		if err != nil {
			return nil, nil, c.notRecorded("", err)
		}
		rows[i] = located{identity: id, image: img}
		if told {
			rows[i].fate = fateOf(values[len(values)-1])
		}
	}
	out := &outcome{affected: int64(len(rows))}
	if c.wantRows {
		out.returned = result.Head(ours)
	}
	return out, rows, nil
}
