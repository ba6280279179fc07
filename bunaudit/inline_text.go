package bunaudit

import (
	"strconv"
	"strings"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/pgevent"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// inlineText is a statement that writes its own events.
type inlineText struct {
	sql   string
	ours  int    // how many columns of its result are ours: the last ones
	told  bool   // the last of them says whether the row has an event
	guard string // what an upsert was restricted by
}

// inlineText makes the text in one pass:
//
//	WITH <the statement's own,>
//	bunaudit_old AS MATERIALIZED (SELECT … FOR NO KEY UPDATE),   -- of an UPDATE, see locksFirst
//	bunaudit_new AS (<the statement> RETURNING …),
//	bunaudit_log AS (INSERT INTO audit_events … SELECT … FROM bunaudit_new)
//	SELECT <what the caller wants> FROM bunaudit_new
func (c *capture) inlineText(tables []sink.Table, row *eventrow.Row) inlineText {
	var t inlineText
	p, s := c.columns.inline, &c.stmt
	b := make([]byte, 0, 2*len(c.text)+p.room)
	if s.With.Empty() {
		b = append(b, "WITH "...)
	} else {
		b = append(append(b, s.With.In(c.text)...), "\n, "...)
	}
	from, form := "bunaudit_new", &p.inserted
	switch {
	case isRehearsed(*s) && !p.returnsOld:
		b, t.guard = c.appendGuarded(b)
		from, form = "bunaudit_row", &p.upserted
	case s.Verb == sqltext.Merge:
		form = &p.merged
		b = c.appendAsIs(b, form.list)
	case isRehearsed(*s):
		form = &p.upserted
		b = c.appendAsIs(b, form.list)
	case s.Verb == sqltext.Update && p.locksFirst():
		form = &p.locked
		b = c.appendLocked(b)
	case s.Verb == sqltext.Update:
		form = &p.updated
		b = c.appendAsIs(b, form.list)
	case s.Verb == sqltext.Delete:
		form = &p.deleted
		b = c.appendAsIs(b, form.list)
	default:
		b = c.appendAsIs(b, form.list)
	}
	b = c.appendLog(b, tables, row, form, from)
	return c.appendResult(b, form, from, t)
}

// appendAsIs appends the statement with a RETURNING clause that ends with list.
func (c *capture) appendAsIs(b []byte, list string) []byte {
	b = append(b, "bunaudit_new AS ("...)
	b = append(b, c.text[c.stmt.VerbSpan.Start:c.stmt.End]...)
	if c.stmt.Returning.Empty() {
		b = append(b, "\nRETURNING "...)
	} else {
		b = append(b, "\n, "...)
	}
	if c.stmt.Verb == sqltext.Delete && !c.stmt.From.Empty() { // a bare name might be another table's
		list = c.columns.inline.deletion(pgevent.Qualified(c.qualifier() + ".")).list
	}
	return append(append(b, list...), ')')
}

// appendLocked appends an UPDATE of the rows that were locked before, and their
// images from when they were.
func (c *capture) appendLocked(b []byte) []byte {
	p, s := c.columns.inline, &c.stmt
	b = append(append(b, "bunaudit_old AS MATERIALIZED (SELECT "...), p.oldList...)
	b = append(append(b, " FROM "...), c.target()...)
	if !s.Where.Empty() {
		b = append(append(b, "\nWHERE "...), s.Where.In(c.text)...)
	}
	b = append(b, '\n')
	b = append(b, c.registry.dialect.lock(c.qualifier(), changesIdentity(c.plan, *s))...)
	b = append(b, "), bunaudit_new AS ("...)
	b = append(b, c.text[s.VerbSpan.Start:s.Set.End]...)
	b = append(append(b, "\nFROM bunaudit_old WHERE "...), p.oldJoin...)
	b = append(b, " RETURNING "...)
	if !s.Returning.Empty() {
		b = append(c.appendOwnReturning(b), "\n, "...)
	}
	return append(append(b, p.locked.list...), ')')
}

// appendOwnReturning appends the RETURNING list of the statement, in which *
// stands for the columns of its own table and not for those that we have joined
// it with.
func (c *capture) appendOwnReturning(b []byte) []byte {
	list := c.stmt.Returning.In(c.text)
	if !strings.Contains(list, "*") {
		return append(b, list...)
	}
	for i, item := range sqltext.SplitList(c.registry.lexical, list) {
		if i > 0 {
			b = append(b, "\n, "...)
		}
		if text := item.In(list); text == "*" {
			b = append(append(b, c.qualifier()...), ".*"...)
		} else {
			b = append(b, text...)
		}
	}
	return b
}

// appendGuarded appends an upsert of one row that updates it only if the row
// that it finds is the version that the statement's snapshot has: then what the
// snapshot has is the old image. A row that another transaction has changed
// meanwhile is locked and left alone, and the upsert comes to no row.
func (c *capture) appendGuarded(b []byte) ([]byte, string) {
	p, s := c.columns.inline, &c.stmt
	conflict := s.Conflicts[0]
	q := c.qualifier()
	guard := "EXISTS (SELECT FROM " + c.tableName() + " AS bunaudit_seen WHERE bunaudit_seen.ctid = " + q +
		".ctid AND bunaudit_seen.xmin = " + q + ".xmin)"
	b = append(b, "bunaudit_new AS ("...)
	end := conflict.Set.End
	if conflict.Where.Empty() {
		b = append(b, c.text[s.VerbSpan.Start:end]...)
		b = append(append(b, "\nWHERE "...), guard...)
	} else {
		end = conflict.Where.End
		b = append(b, c.text[s.VerbSpan.Start:conflict.Where.Start]...)
		b = append(append(b, '('), conflict.Where.In(c.text)...)
		b = append(append(b, "\n) AND "...), guard...)
	}
	b = append(append(b, ' '), c.text[end:s.End]...)
	if s.Returning.Empty() {
		b = append(b, "\nRETURNING "...)
	} else {
		b = append(b, "\n, "...)
	}
	b = append(append(b, p.newList...), "), bunaudit_row AS (SELECT bunaudit_new.*, "...)
	b = append(append(b, p.upserted.list...), " FROM bunaudit_new LEFT JOIN "...)
	b = append(append(b, c.tableName()...), " AS bunaudit_old ON NOT bunaudit_fresh AND "...)
	return append(append(b, p.newJoin...), ')'), guard
}

// appendLog appends what inserts the events.
func (c *capture) appendLog(b []byte, tables []sink.Table, row *eventrow.Row, form *eventForm, from string) []byte {
	d, sel := c.registry.dialect, form.sel
	if c.unit.mayJoin { // the id of a transaction is kept as long as it lasts
		sel.Tx = "COALESCE(NULLIF(current_setting('bunaudit.tx', true), ''), set_config('bunaudit.tx', '" + row.Tx + "', true))::uuid"
	}
	into := func(b []byte, t sink.Table) []byte {
		b = append(b, "INSERT INTO "...)
		if t.Schema != "" {
			b = append(d.quote(b, t.Schema), '.')
		}
		b = append(d.quote(b, t.Name), " ("...)
		return append(row.AppendColumns(b, &sel), ") "...)
	}
	rows := func(b []byte) []byte {
		b = row.AppendSelect(b, &sel)
		b = append(append(b, " FROM "...), from...)
		if form.where != "" {
			b = append(append(b, " WHERE "...), form.where...)
		}
		return append(b, ')')
	}
	if len(tables) == 1 {
		return rows(into(append(b, ", bunaudit_log AS ("...), tables[0]))
	}
	b = rows(append(b, ", bunaudit_events AS MATERIALIZED ("...))
	for i, t := range tables {
		b = append(strconv.AppendInt(append(b, ", bunaudit_log"...), int64(i), 10), " AS ("...)
		b = append(into(b, t), "SELECT * FROM bunaudit_events)"...)
	}
	return b
}

// appendResult appends the SELECT of what the caller wants: rows, or how many
// there are, and how many events.
func (c *capture) appendResult(b []byte, form *eventForm, from string, t inlineText) inlineText {
	hasEvent := "true"
	if form.where != "" {
		hasEvent = form.where
	}
	if !c.wantRows {
		b = append(append(b, "\nSELECT count(*), count(*) FILTER (WHERE "...), hasEvent...)
		t.sql = string(append(append(b, ") FROM "...), from...))
		return t
	}
	b = append(b, "\nSELECT "...)
	if names, ok := c.columns.inline.plainColumns(c.stmt.Returning.In(c.text)); ok {
		b = append(b, names...)
	} else {
		b = append(append(b, from...), ".*"...)
		t.ours = form.width
	}
	if form.where != "" {
		b = append(append(b, ", "...), form.where...)
		t.ours++
		t.told = true
	}
	t.sql = string(append(append(b, " FROM "...), from...))
	return t
}

// plainColumns returns the select list of what a RETURNING clause has returned,
// where it is a list of different columns, each under its own name.
func (p *inline) plainColumns(list string) (names string, ok bool) {
	if name, ok := lastName(list); ok && p.columns[unquoted(name)] {
		return name, true
	}
	seen := make(map[string]bool)
	var b []byte
	for _, span := range sqltext.SplitList(sqltext.PostgreSQL, list) {
		name, ok := lastName(span.In(list))
		if !ok || !p.columns[unquoted(name)] || seen[unquoted(name)] {
			return "", false
		}
		seen[unquoted(name)] = true
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	return string(b), len(seen) > 0
}

// lastName returns the column of a possibly qualified name, as it is written.
func lastName(item string) (string, bool) {
	rest := item
	for {
		end := 0
		if strings.HasPrefix(rest, `"`) {
			if end = strings.IndexByte(rest[1:], '"') + 2; end < 3 {
				return "", false
			}
		} else {
			for end < len(rest) && (rest[end] == '_' || rest[end] >= 'a' && rest[end] <= 'z' || end > 0 && rest[end] >= '0' && rest[end] <= '9') {
				end++
			}
		}
		switch {
		case end == 0:
			return "", false
		case end == len(rest):
			return rest, true
		case rest[end] != '.':
			return "", false
		}
		rest = rest[end+1:]
	}
}
