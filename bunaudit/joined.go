package bunaudit

import (
	"context"
	"database/sql/driver"
	"strconv"

	"github.com/sqlaudit/bun/internal/replay"
)

// An UPDATE that joins other tables must evaluate the join once: a subquery with
// LIMIT, random() or SKIP LOCKED gives other rows the second time. So on
// PostgreSQL it runs as a common table expression, joined with the table as the
// statement's snapshot has it, which is as it was before. That is the old image
// unless another transaction has changed the row while the statement waited for
// its lock. Then the version that was replaced is not the snapshot's, which its
// xmax tells, and the statement is undone and rehearsed.

// joinedUpdate records an UPDATE with a FROM clause.
func (c *capture) joinedUpdate(ctx context.Context) (*outcome, error) {
	if err := c.save(ctx); err != nil {
		return nil, err
	}
	result, err := c.query(ctx, c.withSnapshot())
	if err != nil {
		return nil, err
	}
	out, fresh, err := c.splitSnapshot(result)
	if err != nil {
		return nil, err
	}
	if fresh {
		if err := c.release(ctx); err != nil {
			return nil, err
		}
		c.addLastID(ctx, out)
		return out, nil
	}
	if err := c.undo(ctx); err != nil {
		return nil, err
	}
	return c.rehearsed(ctx)
}

// withSnapshot is the statement as a CTE, with the old images beside what it
// returns.
func (c *capture) withSnapshot() string {
	q, names := c.qualifier(), c.columns.identity
	b := c.appendWith(make([]byte, 0, 2*len(c.text)+1024))
	b = append(b, "bunaudit_new AS (\n"...)
	b = c.appendReturning(append(b, c.text[c.stmt.VerbSpan.Start:c.stmt.End]...))
	for i, col := range names {
		b = append(b, ", "+qualified(q, col.name)+" AS bunaudit_key"+strconv.Itoa(i)...)
	}
	b = append(b, ", "+q+".xmin AS bunaudit_xmin\n)\nSELECT bunaudit_new.*, "...)
	b = c.columns.appendList(b, "bunaudit_old")
	b = append(b, ", COALESCE(bunaudit_old.xmax = bunaudit_xmin, false) FROM bunaudit_new LEFT JOIN "...)
	b = append(append(b, c.tableName()...), " AS bunaudit_old ON true"...)
	for i, col := range names {
		b = append(b, " AND bunaudit_old."+col.name+" = bunaudit_key"+strconv.Itoa(i)...)
	}
	return string(b)
}

// splitSnapshot takes the columns that we added off the result, and reports
// whether every old image is that of the version which was replaced.
func (c *capture) splitSnapshot(result *replay.Result) (out *outcome, fresh bool, err error) {
	width := c.columns.width()
	ours := 2*width + len(c.columns.identity) + 2 // and bunaudit_xmin and the comparison
	at := len(result.Columns) - ours
	if at < 0 {
		return nil, false, c.notRecorded("", errFewColumns)
	}
	out = &outcome{affected: int64(len(result.Rows))}
	for _, values := range result.Rows {
		if values[len(values)-1] != driver.Value(true) {
			return nil, false, nil
		}
		_, img, err := c.columns.row(values[at : at+width])
		if err != nil {
			return nil, false, c.notRecorded("", err)
		}
		end := len(values) - 1
		_, old, err := c.columns.row(values[end-width : end])
		if err != nil {
			return nil, false, c.notRecorded("", err)
		}
		out.changes = append(out.changes, rowChange{old: old, new: img})
	}
	if c.wantRows {
		out.returned = result.Head(ours)
	}
	return out, true, nil
}
