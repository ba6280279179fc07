package bunaudit

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// truncate records of each audited table that the statement empties that all its
// rows are gone.
func (c *capture) truncate(ctx context.Context) (*outcome, error) {
	out, err := c.runPlain(ctx)
	if err != nil {
		return nil, err
	}
	out.whole = sink.Truncate
	// The statement keeps everybody else off the tables until the transaction
	// ends, so that what it has emptied can be asked afterwards.
	names, _ := sqltext.Targets(c.registry.lexical, c.text)
	names, err = c.registry.dialect.truncated(ctx, c.unit, names, cascades(c.stmt, c.text))
	if err != nil {
		return nil, c.notRecorded(sink.Truncate, err)
	}
	for _, name := range names {
		for _, p := range c.emptied(name) {
			out.emptied = append(out.emptied, wholeTable{p, c.nameOf(p, name)})
		}
	}
	return out, nil
}

// wholeTable is a table of which a statement is recorded as a whole.
type wholeTable struct {
	plan *plan
	name string
}

// emptied returns the audited models of a table.
func (c *capture) emptied(name sqltext.Name) []*plan {
	plans := c.registry.byName(name)
	if !c.stmt.MultiTable && name.Table == c.stmt.Target.Table && (len(plans) == 0 || slices.Contains(plans, c.plan)) {
		return []*plan{c.plan} // also where ModelTableExpr names a table that no model has
	}
	return plans
}

// nameOf is a table as events name it. Its schema is empty where the search path
// leads to it.
func (c *capture) nameOf(p *plan, name sqltext.Name) string {
	if c.registry.isNamed(p, name) && (name.Schema == "" || p.schema != "") {
		return p.model.Table
	}
	return name.String()
}

func cascades(s sqltext.Statement, text string) bool {
	return strings.Contains(strings.ToUpper(s.Body.In(text)), "CASCADE")
}

// truncated adds the tables that CASCADE has emptied as well: those that refer to
// the others, and the partitions and children of all of them. DISTINCT: with the
// snapshot of a REPEATABLE READ transaction a table may be seen twice in the
// catalogue, as it was and as the statement has left it.
func (p postgres) truncated(ctx context.Context, u *unit, names []sqltext.Name, cascade bool) ([]sqltext.Name, error) {
	const query = `WITH RECURSIVE emptied (oid) AS (
	SELECT oid FROM pg_class WHERE oid IN (?)
	UNION
	SELECT more.oid FROM emptied, LATERAL (
		SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = emptied.oid
		UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = emptied.oid) AS more (oid) WHERE ?)
SELECT DISTINCT CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE n.nspname END, c.relname
FROM emptied JOIN pg_class AS c USING (oid) JOIN pg_namespace AS n ON n.oid = c.relnamespace`
	oids := make([]byte, 0, 64)
	for i, name := range names {
		if i > 0 {
			oids = append(oids, ", "...)
		}
		oids = append(oids, "to_regclass("...)
		oids = append(p.dialect.AppendString(oids, string(appendName(nil, name, p))), ')')
	}
	var schemas, tables []string
	if err := bun.NewRawQuery(u.db, query, bun.Safe(oids), cascade).Conn(u.conn).Scan(ctx, &schemas, &tables); err != nil {
		return nil, err
	}
	found := make([]sqltext.Name, len(tables))
	for i := range tables {
		found[i] = sqltext.Name{Schema: schemas[i], Table: tables[i]}
	}
	return found, nil
}

// truncated is not asked: SQLite has no TRUNCATE.
func (sqlite) truncated(_ context.Context, _ *unit, names []sqltext.Name, _ bool) ([]sqltext.Name, error) {
	return names, nil
}
