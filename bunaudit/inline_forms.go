package bunaudit

import (
	"strconv"
	"sync"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/pgevent"
	"github.com/sqlaudit/bun/internal/sqltext"
)

// eventForm is how the events of one kind of statement are made.
type eventForm struct {
	list  string // what the statement's RETURNING clause ends with
	width int    // how many columns that are
	sel   eventrow.Select
	where string // which of its rows have an event; empty: all
}

// columnSet is a set of columns of an image.
type columnSet uint64

// allColumns is also the set for tables with more columns than it can number.
const allColumns = ^columnSet(0)

func (s columnSet) has(at int) bool { return s == allColumns || s>>at&1 != 0 }

// forms are made when they are first needed.
type forms struct{ made sync.Map } // columnSet → *eventForm

func (f *forms) of(set columnSet, make func(columnSet) *eventForm) *eventForm {
	if form, ok := f.made.Load(set); ok {
		return form.(*eventForm)
	}
	form, _ := f.made.LoadOrStore(set, make(set))
	return form.(*eventForm)
}

// set returns the columns that may differ after these assignments: with a
// trigger before the update any may.
func (p *inline) set(assignments []sqltext.Assignment) columnSet {
	if p.triggered || len(p.fields) > 63 {
		return allColumns
	}
	set := p.generated
	for _, a := range assignments {
		for _, name := range a.Columns {
			if at, ok := p.at[name]; ok {
				set |= 1 << at
			}
		}
	}
	return set
}

// update makes the form of an UPDATE that sets these columns.
func (p *inline) update(set columnSet) *eventForm {
	if !p.locksFirst() {
		return p.form(set, "", "", pgevent.Qualified("old."), pgevent.Qualified("new."))
	}
	return p.form(set, "", "", numbered("bunaudit_o"), pgevent.Bare)
}

// upsert makes the form of an upsert that sets these columns of a row that it
// finds.
func (p *inline) upsert(set columnSet) *eventForm {
	if p.returnsOld {
		return p.form(set, p.missing("old."), "", pgevent.Qualified("old."), pgevent.Qualified("new."))
	}
	return p.form(set, "bunaudit_fresh", "", pgevent.Qualified("bunaudit_old."), numbered("bunaudit_n"))
}

// image makes the form of an INSERT or DELETE, whose RETURNING clause refers to
// the table's columns by row.
func (p *inline) image(op, side string, row pgevent.Ref) eventForm {
	f := eventForm{width: 2, sel: eventrow.Select{Op: op, Key: "bunaudit_key", Changes: "bunaudit_changes"}}
	b := append(p.table.AppendKey(nil, row), " AS bunaudit_key, "...)
	b = p.table.AppendImage(b, side, row)
	f.list = string(append(b, " AS bunaudit_changes"...))
	return f
}

// appendSureDiff appends the diff of the columns of t, a part of the table. The
// statement fails where their types are others than they were, or where the images
// differ in a column that isn't t's: the table was altered, or got a trigger, under
// the running program.
func (p *inline) appendSureDiff(b []byte, t *pgevent.Table, old, new pgevent.Ref) []byte {
	sure, conditional := t.AppendHolds(nil, new, true)
	if rest := p.rest(t); len(rest.Key)+len(rest.Tracked) > 0 {
		if conditional {
			sure = append(sure, " AND "...)
		}
		sure, conditional = rest.AppendSame(sure, old, new), true
	}
	if !conditional {
		return t.AppendDiff(b, old, new)
	}
	b = append(append(append(b, "CASE WHEN "...), sure...), " THEN "...)
	b = append(t.AppendDiff(b, old, new), " ELSE "...)
	return append(p.table.AppendRaise(b, new), " END"...)
}

// part is the table with the columns of a set alone, and rest what is missing
// from a part.
func (p *inline) part(in func(c *pgevent.Column) bool) *pgevent.Table {
	t := &pgevent.Table{Soft: p.table.Soft}
	for _, c := range p.table.Key {
		if in(&c) {
			t.Key = append(t.Key, c)
		}
	}
	for _, c := range p.table.Tracked {
		if in(&c) {
			t.Tracked = append(t.Tracked, c)
		}
	}
	return t
}

func (p *inline) rest(t *pgevent.Table) *pgevent.Table {
	has := make(map[int]bool)
	for _, columns := range [][]pgevent.Column{t.Key, t.Tracked} {
		for _, c := range columns {
			has[c.At] = true
		}
	}
	return p.part(func(c *pgevent.Column) bool { return !has[c.At] })
}

// form makes the form of a statement that has both images of a row, of which
// the columns of a set may differ. fresh and gone are conditions that hold where
// it was inserted, or deleted; empty where that can't be.
func (p *inline) form(set columnSet, fresh, gone string, old, new pgevent.Ref) *eventForm {
	all, t := &p.table, p.part(func(c *pgevent.Column) bool { return set.has(c.At) })
	f := &eventForm{width: 2, sel: eventrow.Select{Op: "'update'", Key: "bunaudit_key", Changes: "bunaudit_changes"}}
	e := formBuilder{fresh: fresh, gone: gone}
	newKey := func() { e.b = all.AppendKey(e.b, new) }
	e.either(newKey, func() { e.b = all.AppendKey(e.b, old) }, newKey)
	e.as("bunaudit_key")
	if len(t.Key) > 0 {
		e.either(e.word("NULL"), e.word("NULL"), func() {
			e.b = t.AppendKeyDiffers(append(e.b, "CASE WHEN "...), old, new)
			e.b = append(all.AppendKey(append(e.b, " THEN "...), old), " END"...)
		})
		e.as("bunaudit_old_key")
		f.sel.OldKey = "bunaudit_old_key"
		f.width++
	}
	e.either(
		func() { e.b = all.AppendImage(e.b, "new", new) },
		func() { e.b = all.AppendImage(e.b, "old", old) },
		func() { e.b = p.appendSureDiff(e.b, t, old, new) })
	e.as("bunaudit_changes")
	f.where = "bunaudit_changes <> '{}'"
	if fresh != "" || gone != "" {
		e.either(e.word("'insert'"), e.word("'delete'"), e.word("'update'"))
		e.as("bunaudit_op")
		f.sel.Op = "bunaudit_op"
		f.where = "(bunaudit_op <> 'update' OR " + f.where + ")"
		f.width++
	}
	if all.Soft != nil && set.has(all.Soft.At) {
		e.either(e.word("false"), e.word("false"), func() { e.b = all.AppendWasDeleted(e.b, old) })
		e.as("bunaudit_was")
		e.either(e.word("false"), e.word("false"), func() { e.b = all.AppendWasDeleted(e.b, new) })
		e.as("bunaudit_is")
		f.sel.Op = "CASE WHEN bunaudit_was = bunaudit_is THEN " + f.sel.Op + " WHEN bunaudit_is THEN 'delete' ELSE 'restore' END"
		f.sel.Soft = "bunaudit_was <> bunaudit_is"
		f.sel.Changes = "NULLIF(bunaudit_changes, '{}')"
		f.where = "(" + f.where + " OR bunaudit_was <> bunaudit_is)"
		f.width += 2
	}
	f.list = string(e.b)
	return f
}

// formBuilder builds a select list of expressions that depend on what became of
// the row.
type formBuilder struct {
	b           []byte
	fresh, gone string
}

func (e *formBuilder) word(s string) func() { return func() { e.b = append(e.b, s...) } }

func (e *formBuilder) as(name string) { e.b = append(append(e.b, " AS "...), name...) }

// either appends the next item of the list.
func (e *formBuilder) either(inserted, deleted, updated func()) {
	if len(e.b) > 0 {
		e.b = append(e.b, ", "...)
	}
	if e.fresh == "" && e.gone == "" {
		updated()
		return
	}
	e.b = append(e.b, "CASE"...)
	if e.fresh != "" {
		e.b = append(append(append(e.b, " WHEN "...), e.fresh...), " THEN "...)
		inserted()
	}
	if e.gone != "" {
		e.b = append(append(append(e.b, " WHEN "...), e.gone...), " THEN "...)
		deleted()
	}
	e.b = append(e.b, " ELSE "...)
	updated()
	e.b = append(e.b, " END"...)
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
func (p *inline) numberedList(qualifier, prefix string) (list, join string) {
	var b []byte
	for i, f := range p.fields {
		b = append(append(append(b, f.SQLName...), " AS "...), prefix...)
		b = append(strconv.AppendInt(b, int64(i), 10), ", "...)
	}
	for i, id := range p.ids {
		key := "bunaudit_k" + strconv.Itoa(i)
		if i > 0 {
			b, join = append(b, ", "...), join+" AND "
		}
		b = append(append(append(b, id.name...), " AS "...), key...)
		join += qualifier + id.name + " = " + key
	}
	return string(b), join
}
