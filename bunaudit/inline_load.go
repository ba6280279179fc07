package bunaudit

import (
	"context"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/pgevent"
	"github.com/sqlaudit/bun/internal/value"
)

// inline is how the statements on one table write their events, as far as it
// can be said before one is seen.
type inline struct {
	never      string // why none can; empty: some can
	returnsOld bool   // RETURNING has old and new: PostgreSQL 18

	// triggered: a trigger runs before each row is updated, and may change it.
	// PostgreSQL 18.1 then returns the statement's snapshot for old where another
	// transaction has updated the row meanwhile.
	triggered bool

	generated columnSet // the columns that are computed from others

	uniqueKey bool // no two rows have the same identity
	inherited bool // other tables inherit from it, each with keys of its own
	// partitioned: rows that come out of an INSERT have no system columns.
	partitioned bool

	// readsByModifier: what a literal for one of its columns means depends on more
	// than the column's type.
	readsByModifier bool

	columns map[string]bool // the names of all columns of the table
	table   pgevent.Table
	at      map[string]int // where a column is in an image, by its name

	inserted, deleted, merged eventForm
	updates, upserts          forms // by the columns that are set

	oldList, oldJoin string // of the rows that an UPDATE locks first
	newList, newJoin string // of the row of a guarded upsert
	ids              []column
	fields           []*schema.Field
}

// loadInline asks the catalog what stands in the way of a table's statements
// writing their events.
func loadInline(
	ctx context.Context, u *unit, m *model.Model, c *columns, types map[string]value.PostgresType, table string,
) (*inline, error) {
	const relation = `SELECT c.relkind::text, c.relhasrules, c.relhassubclass, current_setting('server_version_num')::int,
	EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
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
		Scan(ctx, &kind, &rules, &p.inherited, &version, &p.uniqueKey, &p.triggered)
	if err != nil {
		return nil, err
	}
	p.returnsOld, p.partitioned = version >= 180000, kind == "p"
	p.inherited = p.inherited && !p.partitioned
	if kind != "r" && kind != "p" || rules {
		p.never = byRelation
		return p, nil
	}
	for name, t := range types {
		p.columns[name] = true
		p.readsByModifier = p.readsByModifier || t.ReadsByModifier()
	}
	events, ok := pgevent.TableOf(m, types)
	if !ok {
		p.never = byHash
		return p, nil
	}
	for i, at := range c.key {
		events.Key[i].At = at
	}
	for i, t := range c.tracked {
		events.Tracked[i].At = t.at
	}
	if events.Soft != nil {
		events.Soft.At = c.soft
	}
	p.table = *events
	p.render(c)
	return p, nil
}

// locksFirst reports whether an UPDATE has to lock its rows, to learn what they
// were, before it changes them.
func (p *inline) locksFirst() bool { return !p.returnsOld || p.triggered }

// render makes the forms that do not depend on what a statement sets.
func (p *inline) render(c *columns) {
	p.ids, p.fields, p.at = c.identity, c.fields, make(map[string]int, len(c.fields))
	for i, f := range c.fields {
		p.at[f.Name] = i
	}
	for _, columns := range [][]pgevent.Column{p.table.Key, p.table.Tracked} {
		for i := range columns {
			if columns[i].Type.Generated && columns[i].At < 64 {
				p.generated |= 1 << columns[i].At
			}
		}
	}
	p.inserted = p.image("'insert'", "new", pgevent.Bare)
	p.deleted = p.image("'delete'", "old", pgevent.Bare)
	p.oldList, p.oldJoin = p.numberedList("", "bunaudit_o")
	if p.returnsOld {
		p.merged = *p.form(allColumns, p.missing("old."), p.missing("new."), pgevent.Qualified("old."), pgevent.Qualified("new."))
		return
	}
	p.newList, p.newJoin = p.numberedList("bunaudit_old.", "bunaudit_n")
	p.newList += ", xmax = 0 AS bunaudit_fresh"
}

// missing is the condition that a row has no such image.
func (p *inline) missing(image string) string { return image + p.ids[0].name + " IS NULL" }
