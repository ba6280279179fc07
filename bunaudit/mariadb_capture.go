package bunaudit

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/replay"
	"github.com/sqlaudit/bun/internal/sqltext"
)

// capturer is a database on which statements are captured in ways of its own.
type capturer interface {
	capture(ctx context.Context, c *capture) (*outcome, error)
}

// mariadbCapture records a statement on MariaDB:
//
//   - INSERT and DELETE return the rows by their RETURNING clause;
//   - the rows of an UPDATE are read and locked, updated, and read again by key;
//   - an upsert writes down each row that it finds, in a variable of the session,
//     before it updates it, see mariadb_upsert.go;
//   - REPLACE is rehearsed, see replace.go.
//
// Reads lock, because a plain one sees the snapshot of the transaction.
type mariadbCapture struct {
	*capture
	mariadb mariadb
	// lastID is the session's LAST_INSERT_ID() as it is to be once the statement
	// is done.
	lastID uint64
}

func (m mariadb) capture(ctx context.Context, c *capture) (*outcome, error) {
	mc := &mariadbCapture{capture: c, mariadb: m}
	if err := mc.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.loadColumns(ctx); err != nil {
		return nil, c.loadFailed(ctx, err)
	}
	switch c.stmt.Verb {
	case sqltext.Insert:
		if len(c.stmt.Conflicts) > 0 {
			return mc.upsert(ctx)
		}
		out, rows, err := mc.runReturning(ctx, inserted)
		if err != nil {
			return nil, err
		}
		return out, mc.setLastID(ctx, out, rows)
	case sqltext.Replace:
		return mc.replace(ctx)
	case sqltext.Delete:
		out, _, err := mc.runReturning(ctx, deleted)
		if err != nil {
			return nil, err
		}
		mc.keepLastID()
		return out, nil
	default: // arm lets nothing else pass
		return mc.update(ctx)
	}
}

// prepare asks the session what it is like, and makes it ready. Before an INSERT
// LAST_INSERT_ID() becomes 0, so that one can tell whether it has made an id;
// unless it uses that itself.
func (c *mariadbCapture) prepare(ctx context.Context) error {
	query := "SELECT VERSION(), @@sql_mode, @bunaudit := '', LAST_INSERT_ID()"
	if c.stmt.Verb != sqltext.Update && c.stmt.Verb != sqltext.Delete && !c.usesLastID() {
		query += ", LAST_INSERT_ID(0)"
	}
	var rows rowsInMemory
	err := bun.NewRawQuery(c.db, query+" /*M! , @@in_transaction */").Conn(c.unit.conn).Scan(ctx, &rows)
	if err != nil {
		return &statementError{err}
	}
	row := rows.Rows[0]
	version, mode := printed(row[0]), printed(row[1])
	switch {
	case !strings.Contains(version, "MariaDB"):
		return c.refused("the server is MySQL " + version + ": MariaDB 10.5 and later can be recorded")
	case strings.Contains(mode, "NO_BACKSLASH_ESCAPES"), strings.Contains(mode, "ANSI_QUOTES"):
		return c.refused("the session's sql_mode changes what quotes and backslashes mean, and neither Bun nor the audit writes for that")
	case printed(row[len(row)-1]) != "1":
		return c.notRecorded("", errors.New("the database has ended the transaction, as it does after a deadlock: "+
			"roll it back and begin another one"))
	}
	if c.lastID, err = strconv.ParseUint(printed(row[3]), 10, 64); err != nil {
		return c.notRecorded("", err)
	}
	return nil
}

// printed is a value as text, whatever the driver makes of its type.
func printed(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

func (c *mariadbCapture) usesLastID() bool {
	return strings.Contains(strings.ToLower(c.text), "last_insert_id")
}

// runReturning records a statement that returns all that it does: what became of
// each row. The outcome lacks the id of the last row.
func (c *mariadbCapture) runReturning(ctx context.Context, change func(image) rowChange) (*outcome, []located, error) {
	returned, err := c.query(ctx, c.statement())
	if err != nil {
		return nil, nil, c.failed(ctx, err)
	}
	if len(returned.Columns) == 0 {
		out, err := c.unanswered(ctx, returned)
		return out, nil, err
	}
	out, rows, err := c.split(returned)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		out.changes = append(out.changes, change(row.image))
	}
	c.withoutReturning(out)
	return out, rows, nil
}

// unanswered is the outcome of a DELETE whose condition can't hold, as that of
// id IN (NULL), which is what Bun makes of an empty slice: MariaDB doesn't answer
// it with the rows that it is to return, not even with none.
func (c *mariadbCapture) unanswered(ctx context.Context, answer *replay.Result) (*outcome, error) {
	result, err := c.selectRows(ctx, "SELECT ROW_COUNT()")
	if err != nil {
		return nil, err
	}
	if printed(result.Rows[0][0]) != "0" {
		return nil, c.notRecorded("", errors.New("the database didn't return the rows that it changed"))
	}
	out := &outcome{}
	if c.wantRows {
		out.returned = answer
	}
	return out, nil
}

// setLastID completes the result of an INSERT by the id that the driver would
// report: the first that the server made; if it made none, the number in the last
// row, provided that a row was written.
func (c *mariadbCapture) setLastID(ctx context.Context, out *outcome, rows []located) error {
	if c.wantRows && !c.unit.joined() {
		return nil // nobody can ask
	}
	result, err := c.selectRows(ctx, "SELECT LAST_INSERT_ID()")
	if err != nil {
		return err
	}
	now, err := strconv.ParseUint(printed(result.Rows[0][0]), 10, 64)
	if err != nil {
		return c.notRecorded("", err)
	}
	made := now
	if c.usesLastID() && now == c.lastID && !lastIDGiven().MatchString(c.text) {
		made = 0
	}
	if made != 0 {
		c.lastID = made
	}
	c.keepLastID()
	switch {
	case c.wantRows, !c.stmt.Returning.Empty():
	case made != 0:
		out.lastID = int64(made)
	case c.columns.numbered > 0 && out.affected > 0:
		_, _ = fmt.Sscan(rows[len(rows)-1].identity[c.columns.numbered-1], &out.lastID)
	}
	return nil
}

// keepLastID makes LAST_INSERT_ID() what it would be without the audit, whose
// insert of the events changes it.
func (c *mariadbCapture) keepLastID() {
	if c.unit.joined() {
		c.unit.restore = "SELECT LAST_INSERT_ID(" + strconv.FormatUint(c.lastID, 10) + ")"
	}
}

// lastIDGiven matches LAST_INSERT_ID with an argument, which sets it.
func lastIDGiven() *regexp.Regexp { return regexp.MustCompile(`(?i)last_insert_id\s*\(\s*[^\s)]`) }

// withoutReturning makes the count of a statement what the driver sees of it.
func (c *mariadbCapture) withoutReturning(out *outcome) {
	if !c.wantRows && !c.stmt.Returning.Empty() {
		out.affected = 0 // it has no eye for the count beside rows
	}
}

// exec runs the statement itself for its effect.
func (c *mariadbCapture) exec(ctx context.Context, text string) (*outcome, error) {
	res, err := c.capture.exec(ctx, text)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	out := executed(res)
	if out.lastID != 0 { // the statement has set it
		c.lastID = uint64(out.lastID)
	}
	c.keepLastID()
	return out, nil
}
