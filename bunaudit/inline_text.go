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
	sql     string
	ours    int  // how many columns of its result are ours: the last ones
	told    bool // the last of them says whether the row has an event
	guarded bool // an upsert that may come to no row though there is one
}

// inlineText makes the text in one pass:
//
//	WITH <the statement's own,>
//	bunaudit_old AS MATERIALIZED (SELECT … FOR NO KEY UPDATE),   -- of an UPDATE, see locksFirst
//	bunaudit_new AS (<the statement> RETURNING …),
//	bunaudit_log AS (INSERT INTO audit_events … SELECT … FROM bunaudit_new)
//	SELECT <what the caller wants> FROM bunaudit_new
//
// Where the caller wants no rows, and every row has an event, the INSERT stands
// at the end instead: it comes to as many rows.
func (c *capture) inlineText(tables []sink.Table, row *eventrow.Row) inlineText {
	var t inlineText
	s := &c.stmt
	form := c.form()
	b := c.appendWith(make([]byte, 0, 2*len(c.text)+2*len(form.list)+1024))
	from := "bunaudit_new"
	switch p := c.columns.inline; {
	case isRehearsed(*s) && !p.returnsOld:
		b = c.appendGuarded(b, form)
		from, t.guarded = "bunaudit_row", true
	case s.Verb == sqltext.Update && p.locksFirst():
		b = c.appendLocked(b, form)
	default:
		b = append(append(b, "bunaudit_new AS ("...), c.text[s.VerbSpan.Start:s.End]...)
		b = append(append(c.appendReturningAnd(b), form.list...), ')')
	}
	b = c.appendInsert(append(b, ", "...), tables, row, form, from)
	if !c.wantRows && form.where == "" {
		t.sql = string(b)
		return t
	}
	return c.appendResult(b, form, from, t)
}

// form finds how the events of the statement are made.
func (c *capture) form() *eventForm {
	p, s := c.columns.inline, &c.stmt
	switch {
	case s.Verb == sqltext.Merge:
		return &p.merged
	case isRehearsed(*s):
		return p.upserts.of(p.set(s.Conflicts[0].Assignments), p.upsert)
	case s.Verb == sqltext.Update:
		return p.updates.of(p.set(s.Assignments), p.update)
	case s.Verb == sqltext.Delete && !s.From.Empty(): // a bare name might be another table's
		form := p.image("'delete'", "old", pgevent.Qualified(c.qualifier()+"."))
		return &form
	case s.Verb == sqltext.Delete:
		return &p.deleted
	}
	return &p.inserted
}

// appendLocked appends an UPDATE of the rows that were locked before, and their
// images from when they were.
func (c *capture) appendLocked(b []byte, form *eventForm) []byte {
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
	return append(append(b, form.list...), ')')
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
func (c *capture) appendGuarded(b []byte, form *eventForm) []byte {
	p, s := c.columns.inline, &c.stmt
	conflict := s.Conflicts[0]
	q, end := c.qualifier(), conflict.Set.End
	b = append(b, "bunaudit_new AS ("...)
	if conflict.Where.Empty() {
		b = append(append(b, c.text[s.VerbSpan.Start:end]...), "\nWHERE "...)
	} else {
		end = conflict.Where.End
		b = append(append(b, c.text[s.VerbSpan.Start:conflict.Where.Start]...), '(')
		b = append(append(b, conflict.Where.In(c.text)...), "\n) AND "...)
	}
	b = append(append(append(b, "EXISTS (SELECT FROM "...), c.tableName()...), " AS bunaudit_seen WHERE bunaudit_seen.ctid = "...)
	b = append(append(append(append(b, q...), ".ctid AND bunaudit_seen.xmin = "...), q...), ".xmin) "...)
	b = append(b, c.text[end:s.End]...)
	b = c.appendReturningAnd(b)
	b = append(append(b, p.newList...), "), bunaudit_row AS (SELECT bunaudit_new.*, "...)
	b = append(append(b, form.list...), " FROM bunaudit_new LEFT JOIN "...)
	b = append(append(b, c.tableName()...), " AS bunaudit_old ON NOT bunaudit_fresh AND "...)
	return append(append(b, p.newJoin...), ')')
}

// appendInsert appends the INSERT of the events: as one more common table
// expression, or as what the statement ends with.
func (c *capture) appendInsert(b []byte, tables []sink.Table, row *eventrow.Row, form *eventForm, from string) []byte {
	sel := form.sel
	sel.Param = c.param
	if c.unit.mayJoin { // the id of a transaction is kept as long as it lasts
		sel.Tx = "COALESCE(NULLIF(current_setting('bunaudit.tx', true), ''), set_config('bunaudit.tx', '" + row.Tx + "', true))::uuid"
	}
	last := !c.wantRows && form.where == ""
	rows := func(b []byte) []byte {
		b = row.AppendSelect(b, &sel, c.hook.ownIDs)
		b = append(append(b, " FROM "...), from...)
		if form.where != "" {
			b = append(append(b, " WHERE "...), form.where...)
		}
		return b
	}
	if len(tables) > 1 {
		b = append(rows(append(b, "bunaudit_events AS MATERIALIZED ("...)), "), "...)
	}
	for i, t := range tables {
		final := last && i == len(tables)-1
		if final {
			b = append(b[:len(b)-len(", ")], '\n')
		} else {
			b = append(strconv.AppendInt(append(b, "bunaudit_log"...), int64(i), 10), " AS ("...)
		}
		b = appendName(append(b, "INSERT INTO "...), sqltext.Name{Schema: t.Schema, Table: t.Name}, c.registry.dialect)
		b = append(b, " ("...)
		b = append(row.AppendColumns(b, &sel), ") "...)
		if len(tables) > 1 {
			b = append(b, "SELECT * FROM bunaudit_events"...)
		} else {
			b = rows(b)
		}
		if !final {
			b = append(b, "), "...)
		}
	}
	if last {
		return b
	}
	return b[:len(b)-len(", ")]
}

// appendResult appends the SELECT of what the caller wants: rows, or only that
// there are so many.
func (c *capture) appendResult(b []byte, form *eventForm, from string, t inlineText) inlineText {
	b = append(b, "\nSELECT "...)
	if c.wantRows {
		names, ok := c.names, c.names != ""
		if !ok {
			names, ok = c.columns.inline.plainColumns(c.stmt.Returning.In(c.text))
		}
		if ok {
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
