package bunaudit

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
)

// INSERT … ON DUPLICATE KEY UPDATE finds rows by any unique index, and its
// RETURNING clause does not say which of the rows it has inserted. But it carries
// out its assignments in order, for each row that it finds. So the audit puts one
// of its own in front, which leaves the key as it is and adds what the row was to
// a variable of the session:
//
//	id = IF((@bunaudit := CONCAT(@bunaudit, <the row>, ';')) IS NULL, id, id), <its own assignments>
//
// That is the row at the very moment at which it is updated, whoever has changed
// it before, and no statement is run twice. How long the variable is when a row
// comes back says whether the row has been noted.

// foundRow is a row that an upsert has found, as it was.
type foundRow struct {
	image image
	hash  string // of all columns; where it is wanted
	end   int    // how long the notes are with it
}

var errHalfNoted = errors.New("a row that the upsert found was noted by halves")

var errFoundLost = errors.New("a row that the upsert found did not come back")

func (c *mariadbCapture) upsert(ctx context.Context) (*outcome, error) {
	returned, err := c.query(ctx, c.notedUpsert())
	if err != nil {
		if strings.Contains(err.Error(), "Error 1052 ") {
			// Ambiguous column: the table is read from under its own name as well.
			return nil, c.ownErrorOr(ctx, c.refused("it reads the table that it writes to without another name for it"))
		}
		return nil, c.failed(ctx, err)
	}
	out, rows, err := c.split(returned)
	if err != nil {
		return nil, err
	}
	if c.wantRows {
		out.returned = returned.Head(c.columns.width() + 1)
	}
	found, err := c.found(ctx)
	if err != nil {
		return nil, err
	}
	out.affected = 0
	noted, notedAt := 0, len(returned.Columns)-c.columns.width()-1
	for i, row := range rows {
		values := returned.Rows[i]
		now, err := strconv.Atoi(printed(values[notedAt]))
		switch {
		case err != nil:
			return nil, c.notRecorded("", err)
		case now == noted:
			out.changes = append(out.changes, rowChange{new: row.image})
			out.affected++
			continue
		case len(found) == 0 || found[0].end != now:
			return nil, c.notRecorded("", errFoundLost)
		}
		was := found[0]
		found, noted = found[1:], now
		out.changes = append(out.changes, rowChange{old: was.image, new: row.image})
		n, err := c.affectedBy(ctx, was.hash, values)
		if err != nil {
			return nil, err
		}
		out.affected += n
	}
	if len(found) > 0 {
		return nil, c.notRecorded("", errFoundLost)
	}
	if err := c.setLastID(ctx, out, rows); err != nil {
		return nil, err
	}
	c.withoutReturning(out)
	return out, nil
}

// notedUpsert is the statement with an assignment that notes the rows it finds,
// and with our columns in its RETURNING clause: at the end the image, in front of it
// how long the notes are, and in front of that the hash of all columns where it is
// wanted.
func (c *mariadbCapture) notedUpsert() string {
	set := c.stmt.Conflicts[0].Set
	q := c.qualifier()
	key := qualified(q, c.columns.identity[0].name)
	b := make([]byte, 0, 2*len(c.text)+2048)
	b = append(b, c.text[:set.Start]...)
	b = append(b, key+" = IF((@bunaudit := CONCAT(@bunaudit"...)
	for _, list := range [][]column{c.columns.identity, c.columns.image} {
		for _, col := range list {
			b = append(b, ", COALESCE(HEX("...)
			b = col.expr(b, qualified(q, col.name))
			b = append(b, "), '-'), ','"...)
		}
	}
	if !c.wantRows {
		b = append(append(b, ", "...), c.hashOfAll(q)...)
	}
	b = append(b, ", ';')) IS NULL, "+key+", "+key+"), "...)
	b = c.appendReturningAnd(append(b, c.text[set.Start:c.stmt.End]...))
	if !c.wantRows {
		b = append(append(b, c.hashOfAll("")...), ", "...)
	}
	return string(c.columns.appendList(append(b, "LENGTH(@bunaudit), "...), ""))
}

func (c *mariadbCapture) hashOfAll(qualifier string) string {
	b := []byte("MD5(CONCAT_WS(','")
	for _, col := range c.columns.all {
		b = append(b, ", COALESCE(HEX("...)
		b = col.expr(b, qualified(qualifier, col.name))
		b = append(b, "), '-')"...)
	}
	return string(append(b, "))"...))
}

// found reads the rows that the upsert has noted, in order.
func (c *mariadbCapture) found(ctx context.Context) ([]foundRow, error) {
	result, err := c.selectRows(ctx, "SELECT CAST(@bunaudit AS BINARY)")
	if err != nil {
		return nil, err
	}
	if result.Rows[0][0] == nil {
		return nil, c.notRecorded("", errors.New("the rows that the upsert found are more than max_allowed_packet: upsert fewer at once"))
	}
	noted, err := driverText(result.Rows[0][0])
	if err != nil {
		return nil, c.notRecorded("", err)
	}
	var found []foundRow
	end := 0
	for entry := range strings.SplitAfterSeq(string(noted), ";") {
		if entry == "" {
			continue
		}
		row, err := c.foundRow(strings.Split(strings.TrimSuffix(entry, ";"), ","))
		if err != nil {
			return nil, c.notRecorded("", err)
		}
		end += len(entry)
		row.end = end
		found = append(found, row)
	}
	return found, nil
}

func (c *mariadbCapture) foundRow(fields []string) (row foundRow, err error) {
	width := c.columns.width()
	if len(fields) != width+1 { // the last one is the hash, or empty
		return row, errHalfNoted
	}
	values := make([]driver.Value, width)
	for i, f := range fields[:width] {
		if f == "-" {
			continue
		}
		if values[i], err = hex.DecodeString(f); err != nil {
			return row, errHalfNoted
		}
	}
	_, row.image, err = c.columns.row(values)
	row.hash = fields[width]
	return row, err
}

// affectedBy is how many rows the server counts for one that was found and is
// values now: two where it was changed; else none, or one where the driver counts
// found rows.
func (c *mariadbCapture) affectedBy(ctx context.Context, was string, values []driver.Value) (int64, error) {
	if c.wantRows {
		return 1, nil // nobody is told
	}
	now, err := driverText(values[len(values)-c.columns.width()-2])
	if err != nil {
		return 0, c.notRecorded("", err)
	}
	if was != string(now) {
		return 2, nil
	}
	if c.countsFoundRows(ctx) {
		return 1, nil
	}
	return 0, nil
}

// countsFoundRows finds out whether the driver was told to count rows that were
// found for rows that were changed, which no server tells: by an update that
// changes nothing. Without the right to create the temporary table for it, it
// takes the driver to count as it does by default.
func (c *mariadbCapture) countsFoundRows(ctx context.Context) bool {
	const unknown, no, yes = 0, 1, 2
	if known := c.mariadb.foundRows.Load(); known != unknown {
		return known == yes
	}
	counts := int32(no)
	for _, sql := range []string{
		"CREATE OR REPLACE TEMPORARY TABLE bunaudit_found (n int) ENGINE=MEMORY",
		"INSERT INTO bunaudit_found VALUES (1)",
		"UPDATE bunaudit_found SET n = 1",
		"DROP TEMPORARY TABLE bunaudit_found",
	} {
		res, err := bun.NewRawQuery(c.db, "?", bun.Safe(sql)).Conn(c.unit.conn).Exec(ctx)
		if err != nil {
			break
		}
		if n, err := res.RowsAffected(); err == nil && n == 1 && strings.HasPrefix(sql, "UPDATE") {
			counts = yes
		}
	}
	c.mariadb.foundRows.Store(counts)
	return counts == yes
}
