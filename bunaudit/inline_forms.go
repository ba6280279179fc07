package bunaudit

import (
	"context"
	"strconv"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/pgevent"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// inline is how the statements on one table write their events, as far as it
// can be said before one is seen.
type inline struct {
	never      string // why none can; empty: some can
	returnsOld bool   // RETURNING has old and new: PostgreSQL 18

	// mayReturnStale: PostgreSQL 18.1 returns the statement's snapshot for old
	// where another transaction has updated the row meanwhile and a trigger runs
	// before this update. Then, as before PostgreSQL 18, the rows are locked first.
	mayReturnStale bool

	uniqueKey bool // no two rows have the same identity
	inherited bool // other tables inherit from it, each with keys of its own
	// partitioned: rows that come out of an INSERT have no system columns.
	partitioned bool

	columns map[string]bool // the names of all columns of the table
	table   pgevent.Table

	inserted, locked, updated, deleted, upserted, merged eventForm

	oldList, oldJoin string // of the rows that an UPDATE locks
	newList, newJoin string // of the row of a guarded upsert
	room             int    // how many bytes a statement grows by, about
}

// eventForm is how the events of one kind of statement are made.
type eventForm struct {
	list  string // what its RETURNING clause ends with
	width int    // how many columns that are
	sel   eventrow.Select
	where string // which of its rows have an event; empty: all
}

// loadInline asks the catalog what stands in the way of a table's statements
// writing their events.
func loadInline(
	ctx context.Context, u *unit, m *model.Model, c *columns, types map[string]value.PostgresType, table string,
) (*inline, error) {
	const relation = `SELECT c.relkind::text, c.relhasrules, c.relhassubclass, current_setting('server_version_num')::int,
	EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
		AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS (
			SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid
			AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND a.attname NOT IN (?))),
	EXISTS (WITH RECURSIVE tree (oid) AS (
			SELECT c.oid UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree ON i.inhparent = tree.oid)
		SELECT FROM pg_catalog.pg_trigger AS t JOIN tree ON t.tgrelid = tree.oid
		WHERE NOT t.tgisinternal AND t.tgtype & 19 = 19) -- for each row, before, update
FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass(?)`
	names := make([]string, len(m.Identity))
	for i, f := range m.Identity {
		names[i] = f.Name
	}
	p := &inline{columns: make(map[string]bool, len(types))}
	var kind string
	var rules bool
	var version int
	err := bun.NewRawQuery(u.db, relation, bun.In(names), table).Conn(u.conn).
		Scan(ctx, &kind, &rules, &p.inherited, &version, &p.uniqueKey, &p.mayReturnStale)
	if err != nil {
		return nil, err
	}
	p.returnsOld, p.partitioned = version >= 180000, kind == "p"
	p.inherited = p.inherited && !p.partitioned
	if kind != "r" && kind != "p" || rules {
		p.never = byRelation
		return p, nil
	}
	for name := range types {
		p.columns[name] = true
	}
	column := func(f *schema.Field, mask sink.Mask, at int) pgevent.Column {
		return pgevent.Column{Name: f.Name, Quoted: string(f.SQLName), Type: types[f.Name], Mask: mask, At: at}
	}
	for _, i := range c.key {
		p.table.Key = append(p.table.Key, column(c.fields[i], sink.Unmasked, i))
	}
	for _, t := range c.tracked {
		if t.mask == sink.Hashed {
			p.never = byHash
			return p, nil
		}
		p.table.Tracked = append(p.table.Tracked, column(c.fields[t.at], t.mask, t.at))
	}
	if c.soft >= 0 {
		soft := column(c.fields[c.soft], sink.Unmasked, c.soft)
		p.table.Soft = &soft
	}
	p.render(c)
	return p, nil
}

// locksFirst reports whether an UPDATE has to lock its rows, to learn what they
// were, before it changes them.
func (p *inline) locksFirst() bool { return !p.returnsOld || p.mayReturnStale }

// render makes the parts of the statements.
func (p *inline) render(c *columns) {
	p.inserted = eventForm{width: 2, sel: eventrow.Select{Op: "'insert'", Key: "bunaudit_key", Changes: "bunaudit_changes"}}
	b := p.table.AppendKey(nil, pgevent.Bare)
	b = p.table.AppendImage(append(b, " AS bunaudit_key, "...), "new", pgevent.Bare)
	p.inserted.list = string(append(b, " AS bunaudit_changes"...))
	p.deleted = p.deletion(pgevent.Bare)
	p.locked = p.form("", "", numbered("bunaudit_o"), pgevent.Bare)
	p.oldList, p.oldJoin = numberedList(c, "", "bunaudit_o")
	if p.returnsOld {
		old, new := pgevent.Qualified("old."), pgevent.Qualified("new.")
		first := string(c.identity[0].name)
		p.updated = p.form("", "", old, new)
		p.upserted = p.form("old."+first+" IS NULL", "", old, new)
		p.merged = p.form("old."+first+" IS NULL", "new."+first+" IS NULL", old, new)
	} else {
		p.upserted = p.form("bunaudit_fresh", "", pgevent.Qualified("bunaudit_old."), numbered("bunaudit_n"))
		p.newList, p.newJoin = numberedList(c, "bunaudit_old.", "bunaudit_n")
		p.newList += ", xmax = 0 AS bunaudit_fresh"
	}
	p.room = 1024 + max(len(p.inserted.list), len(p.locked.list)+len(p.oldList), len(p.updated.list), len(p.upserted.list)+len(p.newList), len(p.merged.list))
}

// deletion makes the form of a DELETE, whose RETURNING clause refers to the
// table's columns by row.
func (p *inline) deletion(row pgevent.Ref) eventForm {
	f := eventForm{width: 2, sel: eventrow.Select{Op: "'delete'", Key: "bunaudit_key", Changes: "bunaudit_changes"}}
	b := p.table.AppendKey(nil, row)
	b = p.table.AppendImage(append(b, " AS bunaudit_key, "...), "old", row)
	f.list = string(append(b, " AS bunaudit_changes"...))
	return f
}

// form makes the form of a statement that has both images of a row. fresh and
// gone are conditions that hold where it was inserted, or deleted; empty where
// that can't be.
func (p *inline) form(fresh, gone string, old, new pgevent.Ref) eventForm {
	t := &p.table
	f := eventForm{width: 3, sel: eventrow.Select{
		Op: "'update'", Key: "bunaudit_key", OldKey: "bunaudit_old_key", Changes: "NULLIF(bunaudit_changes, '{}')",
	}}
	var b []byte
	either := func(inserted, deleted, updated func()) { // by what became of the row
		if fresh == "" && gone == "" {
			updated()
			return
		}
		b = append(b, "CASE"...)
		if fresh != "" {
			b = append(append(append(b, " WHEN "...), fresh...), " THEN "...)
			inserted()
		}
		if gone != "" {
			b = append(append(append(b, " WHEN "...), gone...), " THEN "...)
			deleted()
		}
		b = append(b, " ELSE "...)
		updated()
		b = append(b, " END"...)
	}
	word := func(s string) func() { return func() { b = append(b, s...) } }
	newKey := func() { b = t.AppendKey(b, new) }
	either(newKey, func() { b = t.AppendKey(b, old) }, newKey)
	b = append(b, " AS bunaudit_key, "...)
	either(word("NULL"), word("NULL"), func() {
		b = t.AppendKeyDiffers(append(b, "CASE WHEN "...), old, new)
		b = append(t.AppendKey(append(b, " THEN "...), old), " END"...)
	})
	b = append(b, " AS bunaudit_old_key, "...)
	either(func() { b = t.AppendImage(b, "new", new) }, func() { b = t.AppendImage(b, "old", old) }, func() {
		b = t.AppendDiff(append(b, "('{'||substr("...), old, new)
		b = append(b, ",2)||'}')::jsonb"...)
	})
	b = append(b, " AS bunaudit_changes"...)
	f.where = "bunaudit_changes <> '{}'"
	if fresh != "" || gone != "" {
		b = append(b, ", "...)
		either(word("'insert'"), word("'delete'"), word("'update'"))
		b = append(b, " AS bunaudit_op"...)
		f.sel.Op = "bunaudit_op"
		f.where = "(bunaudit_op <> 'update' OR " + f.where + ")"
		f.width++
	}
	if t.Soft != nil {
		b = append(b, ", "...)
		either(word("false"), word("false"), func() { b = t.AppendWasDeleted(b, old) })
		b = append(b, " AS bunaudit_was, "...)
		either(word("false"), word("false"), func() { b = t.AppendWasDeleted(b, new) })
		b = append(b, " AS bunaudit_is"...)
		f.sel.Op = "CASE WHEN bunaudit_was = bunaudit_is THEN " + f.sel.Op + " WHEN bunaudit_is THEN 'delete' ELSE 'restore' END"
		f.sel.Soft = "bunaudit_was <> bunaudit_is"
		f.where = "(" + f.where + " OR bunaudit_was <> bunaudit_is)"
		f.width += 2
	}
	f.list = string(b)
	return f
}

// numbered returns a Ref to columns that are called by their place in an image.
func numbered(prefix string) pgevent.Ref {
	return func(b []byte, c *pgevent.Column) []byte {
		return strconv.AppendInt(append(b, prefix...), int64(c.At), 10)
	}
}

// numberedList returns a select list that calls the columns of an image by
// their place, and the condition by which the row of another image, whose
// columns are qualified, is found again.
func numberedList(c *columns, qualifier, prefix string) (list, join string) {
	for i, f := range c.fields {
		if i > 0 {
			list += ", "
		}
		list += string(f.SQLName) + " AS " + prefix + strconv.Itoa(i)
	}
	for i, id := range c.identity {
		key := "bunaudit_k" + strconv.Itoa(i)
		list += ", " + id.name + " AS " + key
		if i > 0 {
			join += " AND "
		}
		join += qualifier + id.name + " = " + key
	}
	return list, join
}
