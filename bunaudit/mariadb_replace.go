package bunaudit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// replace records a REPLACE. The session counts the rows that the server deletes,
// or, where none of a table's triggers and foreign keys could tell the difference,
// updates instead.
func (c *mariadbCapture) replace(ctx context.Context) (*outcome, error) {
	r := &replacer{capture: c.capture, always: true}
	var deletes [2]int // at the last two readings
	r.gauge = func(ctx context.Context) (int, error) {
		all, deleted, err := c.handled(ctx)
		deletes = [2]int{deletes[1], deleted}
		return all, err
	}
	id := uint64(0)
	if c.usesLastID() {
		id = c.lastID
	}
	r.again = func(ctx context.Context) error {
		return c.unit.exec(ctx, "SELECT LAST_INSERT_ID("+strconv.FormatUint(id, 10)+")")
	}
	if !c.wantRows {
		r.hash = c.hashOfAll("")
	}
	if err := c.findIndexes(ctx, r); err != nil {
		return nil, err
	}
	run, err := r.replace(ctx)
	if own := (*statementError)(nil); errors.As(err, &own) {
		return nil, c.failed(ctx, own)
	} else if err != nil {
		return nil, err
	}
	out := run.out
	out.affected += int64(run.removed)
	if deletes[0] == deletes[1] { // they were updated in place, and those with the same values left alone
		out.affected -= int64(run.same)
	}
	rows := make([]located, len(run.rows))
	for i, row := range run.rows {
		rows[i] = row.located
	}
	if err := c.setLastID(ctx, out, rows); err != nil {
		return nil, err
	}
	c.withoutReturning(out)
	return out, nil
}

// handled reads how many rows the session has deleted or updated so far, and how
// many it has deleted.
func (c *mariadbCapture) handled(ctx context.Context) (all, deleted int, err error) {
	const query = "SELECT CAST(SUM(VARIABLE_VALUE) AS SIGNED), CAST(SUM(IF(VARIABLE_NAME = 'HANDLER_DELETE', VARIABLE_VALUE, 0)) AS SIGNED) " +
		"FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME IN ('HANDLER_DELETE', 'HANDLER_UPDATE')"
	result, err := c.selectRows(ctx, query)
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscan(printed(result.Rows[0][0])+" "+printed(result.Rows[0][1]), &all, &deleted)
	return all, deleted, err
}

// findIndexes finds the unique indexes of the table.
func (c *mariadbCapture) findIndexes(ctx context.Context, r *replacer) error {
	result, err := c.selectRows(ctx, "SHOW INDEX FROM "+c.relation()+" WHERE Non_unique = 0")
	if err != nil {
		return err
	}
	at := func(column string) int { return slices.Index(result.Columns, column) }
	key, name, part := at("Key_name"), at("Column_name"), at("Sub_part")
	if key < 0 || name < 0 || part < 0 {
		return c.notRecorded("", errors.New("the server does not say which unique indexes the table has"))
	}
	previous := ""
	for _, values := range result.Rows {
		column := printed(values[name])
		typ, ok := c.columns.types[strings.ToLower(column)]
		if !ok {
			c.forgetColumns()
			return c.notRecorded("", errors.New("the table was altered: try again"))
		}
		col := c.mariadb.identityColumn(string(c.mariadb.quote(nil, column)), typ)
		if values[part] != nil { // the index is on so many characters
			col.name = "LEFT(" + col.name + ", " + printed(values[part]) + ")"
		}
		if now := printed(values[key]); now != previous || len(r.indexes) == 0 {
			previous = now
			r.indexes = append(r.indexes, nil)
		}
		last := len(r.indexes) - 1
		r.indexes[last] = append(r.indexes[last], col)
		if typ.AutoIncrement && len(r.indexes[last]) == 1 {
			r.numbered = last + 1
		} else if r.numbered == last+1 {
			r.numbered = 0
		}
	}
	return nil
}
