package bunaudit

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
)

// sqliteReplacer finds the unique indexes of the statement's table. Each has its
// collations, by which it may take for equal what the column does not.
func (c *capture) sqliteReplacer(ctx context.Context) (*replacer, error) {
	const query = `SELECT i.seq, x.name, x.coll FROM pragma_index_list(?0, ?1) AS i JOIN pragma_index_xinfo(i.name, ?1) AS x
	WHERE i."unique" AND x.key ORDER BY i.seq, x.seqno`
	schema := c.stmt.Target.Schema
	if schema == "" {
		var err error
		if schema, err = c.registry.dialect.schemaOf(ctx, c.unit, c.stmt.Target.Table); err != nil {
			return nil, &statementError{err}
		}
	}
	var found []struct {
		Seq  int
		Name *string
		Coll string
	}
	var kind string
	var withoutRowID bool
	err := bun.NewRawQuery(c.db, "SELECT type, wr FROM pragma_table_list(?) WHERE schema = ?", c.stmt.Target.Table, schema).
		Conn(c.unit.conn).Scan(ctx, &kind, &withoutRowID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, c.ownErrorOr(ctx, c.notRecorded("", errNoTable))
	case err != nil:
		return nil, &statementError{err}
	case kind != "table":
		return nil, c.refused("it is a view or a virtual table, which may do anything with a row that is in the way")
	}
	err = bun.NewRawQuery(c.db, query, c.stmt.Target.Table, schema).Conn(c.unit.conn).Scan(ctx, &found)
	if err != nil {
		return nil, &statementError{err}
	}
	s := c.registry.dialect.(sqlite)
	r := &replacer{capture: c, net: true, gauge: func(ctx context.Context) (int, error) {
		n, err := c.countRows(ctx)
		return -n, err
	}}
	if !withoutRowID { // the primary key may be another name for it, and is no index then
		r.indexes = append(r.indexes, uniqueIndex{{expr: undeclared, name: "_rowid_", literal: s.literal}})
	}
	seq := -1
	for _, f := range found {
		if f.Name == nil {
			r.blind = true // the index is looked up by the columns that have names
			continue
		}
		if f.Seq != seq {
			seq = f.Seq
			r.indexes = append(r.indexes, nil)
		}
		col := column{
			expr: undeclared, literal: s.literal,
			name: string(s.quote(nil, *f.Name)) + " COLLATE " + string(s.quote(nil, f.Coll)),
		}
		last := len(r.indexes) - 1
		r.indexes[last] = append(r.indexes[last], col)
	}
	return r, nil
}

// replaceOnSQLite records a REPLACE.
func (c *capture) replaceOnSQLite(ctx context.Context) (*outcome, error) {
	r, err := c.sqliteReplacer(ctx)
	if err != nil {
		return nil, err
	}
	run, err := r.replace(ctx)
	if err != nil {
		return nil, err
	}
	c.addLastID(ctx, run.out)
	return run.out, nil
}
