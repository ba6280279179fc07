package bunaudit

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// touched is a row that an update is going to change: what it is before, and
// what will identify it afterwards.
type touched struct {
	identity identity
	image    image
}

var errUnforetold = errors.New("a row that was updated can't be found again: did a trigger change its primary key?")

// update reads and locks the rows, updates exactly those, and reads them again.
func (c *mariadbCapture) update(ctx context.Context) (*outcome, error) {
	switch { // what MariaDB 10 does not take
	case !c.stmt.Returning.Empty():
		return nil, c.ownErrorOr(ctx, c.refused("an UPDATE with RETURNING can't be recorded yet"))
	case !c.stmt.With.Empty():
		return nil, c.ownErrorOr(ctx, c.refused("an UPDATE with common table expressions can't be recorded yet"))
	}
	qualifier, _ := updatedTable(c.plan, c.registry.dialect, c.text, c.stmt)
	before, olds, err := c.touchedRows(ctx, qualifier)
	if err != nil {
		return nil, err
	}
	out, err := c.exec(ctx, c.restricted(qualifier, olds))
	if err != nil || len(before) == 0 {
		return out, err
	}
	if changesIdentity(c.plan, c.stmt) {
		before = vacatedFirst(before, olds)
	}
	news := make([]identity, len(before))
	for i, row := range before {
		news[i] = row.identity
	}
	after, err := c.read(ctx, c.selectByIdentity(news))
	if err != nil {
		return nil, err
	}
	for _, row := range before {
		img, ok := after.byIdentity[row.identity.mapKey()]
		if !ok {
			return nil, c.notRecorded("", errUnforetold)
		}
		out.changes = append(out.changes, rowChange{old: row.image, new: img})
	}
	return out, nil
}

// touchedRows reads the rows that the condition holds for, and locks them. It
// also returns what identifies them now.
func (c *mariadbCapture) touchedRows(ctx context.Context, qualifier string) (rows []touched, olds []identity, err error) {
	result, err := c.selectRows(ctx, c.selectTouched(qualifier))
	if err != nil {
		return nil, nil, err
	}
	width := c.columns.width()
	seen := make(map[string]bool, len(result.Rows))
	for _, values := range result.Rows {
		id, img, err := c.columns.row(values[:width])
		if err != nil {
			return nil, nil, c.notRecorded("", err)
		}
		if key := id.mapKey(); !seen[key] {
			seen[key] = true
		} else if c.stmt.MultiTable {
			continue // a join may find a row more than once; it is updated once
		} else {
			return nil, nil, c.notRecorded("", errSameKey)
		}
		olds = append(olds, id)
		if moved := values[width:]; len(moved) > 0 && !slices.Contains(moved, nil) {
			if id, err = c.columns.identityOf(moved); err != nil {
				return nil, nil, c.notRecorded("", err)
			}
		} // a key that becomes NULL is for the database to refuse
		rows = append(rows, touched{id, img})
	}
	return rows, olds, nil
}

// vacatedFirst puts the rows in an order in which their keys can change: one that
// leaves a key before the one that takes it. So the statement has changed them,
// since no two rows have a key at once; the rows may have been read in another
// order, by another index. olds are the keys of the rows before the statement.
func vacatedFirst(rows []touched, olds []identity) []touched {
	leaves := make(map[string]int, len(rows))
	for i, old := range olds {
		leaves[old.mapKey()] = i
	}
	ordered, placed := make([]touched, 0, len(rows)), make([]bool, len(rows))
	var waiting []int // each for the one after it
	for i := range rows {
		for next, ok := i, true; ok && !placed[next]; next, ok = leaves[rows[next].identity.mapKey()] {
			placed[next] = true
			waiting = append(waiting, next)
		}
		for ; len(waiting) > 0; waiting = waiting[:len(waiting)-1] {
			ordered = append(ordered, rows[waiting[len(waiting)-1]])
		}
	}
	return ordered
}

// updatedTable is what an UPDATE calls the table whose rows it updates; or it says
// why that is not the audited table alone.
func updatedTable(p *plan, d database, text string, s sqltext.Statement) (qualifier, reason string) {
	qualifier = string(d.quote(nil, s.Target.Table))
	if !s.MultiTable {
		if !s.Alias.Empty() {
			qualifier = s.Alias.In(text)
		}
		return qualifier, ""
	}
	const refusal = "it joins other tables, and the audited one is not the first of them, or not the only one that it sets columns of"
	if strings.TrimSpace(text[s.Tables.Start:s.TargetText.Start]) != "" || !strings.EqualFold(p.table, s.Target.Table) {
		return "", refusal
	}
	if m := aliasPattern().FindStringSubmatch(text[s.TargetText.End:s.Tables.End]); m != nil && !isJoinWord(m[1]) {
		qualifier = m[1]
	}
	for _, a := range s.Assignments {
		if !sets(p, qualifier, text, a) {
			return "", refusal
		}
	}
	return qualifier, ""
}

// sets reports whether an assignment is to a column of the audited table. A name
// without a table's that two tables have is an error of the statement's own.
func sets(p *plan, qualifier, text string, a sqltext.Assignment) bool {
	left := a.Left.In(text)
	if dot := strings.LastIndexByte(left, '.'); dot >= 0 {
		return strings.EqualFold(unticked(left[:dot]), unticked(qualifier))
	}
	return slices.ContainsFunc(p.model.Bun.Fields, func(f *schema.Field) bool { return strings.EqualFold(f.Name, a.Columns[0]) })
}

// aliasPattern matches an alias after a table's name.
func aliasPattern() *regexp.Regexp {
	return regexp.MustCompile("^\\s+(?i:AS\\s+)?(`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)")
}

func isJoinWord(s string) bool {
	switch strings.ToUpper(s) {
	case "JOIN", "INNER", "LEFT", "RIGHT", "CROSS", "NATURAL", "STRAIGHT_JOIN", "PARTITION", "USE", "FORCE", "IGNORE":
		return true
	}
	return false
}

func unticked(name string) string { return strings.Trim(strings.TrimSpace(name), "`") }

// from are the tables of an UPDATE as a FROM clause has them.
func (c *mariadbCapture) from() string {
	if c.stmt.MultiTable {
		return c.stmt.Tables.In(c.text)
	}
	s := c.tableName()
	if !c.stmt.Partition.Empty() {
		s += " " + c.stmt.Partition.In(c.text)
	}
	if !c.stmt.Alias.Empty() {
		s += " AS " + c.stmt.Alias.In(c.text)
	}
	return s
}

func (c *mariadbCapture) selectTouched(qualifier string) string {
	b := c.columns.appendList([]byte("SELECT "), qualifier)
	b = c.appendNewIdentity(b)
	b = append(append(b, "\nFROM "...), c.from()...)
	if !c.stmt.Where.Empty() {
		b = append(append(b, "\nWHERE "...), c.stmt.Where.In(c.text)...)
	}
	return string(append(c.appendOrder(b), "\nFOR UPDATE"...))
}

// restricted is the update of exactly these rows: its condition isn't evaluated a
// second time, when it might hold for others. Where it joins other tables it is
// needed for the join, and evaluated on the rows that were locked.
func (c *mariadbCapture) restricted(qualifier string, rows []identity) string {
	b := append([]byte(c.text[:c.stmt.Set.End]), "\nWHERE "...)
	if c.stmt.MultiTable && !c.stmt.Where.Empty() {
		b = append(append(append(b, '('), c.stmt.Where.In(c.text)...), "\n) AND "...)
	}
	b = c.registry.dialect.in(b, c.columns.identityNames(qualifier), rows)
	return string(c.appendOrder(b))
}
