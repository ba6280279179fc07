package retrieval

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

func (r *reverter) liveTable(ctx context.Context, db bun.IDB, name string) (*live.Table, error) {
	if table := r.tables[name]; table != nil {
		return table, nil
	}
	m, err := r.modelOf(name)
	if err != nil {
		return nil, err
	}
	table, err := live.Load(ctx, db, m)
	if err != nil {
		return nil, err
	}
	if r.computed[name], err = r.generated(ctx, db, m); err != nil {
		return nil, err
	}
	r.tables[name] = table
	return table, nil
}

// generated are the columns of a model's table that the database computes: they
// follow the others, and can't be given values.
func (q *query) generated(ctx context.Context, db bun.IDB, m *model.Model) ([]string, error) {
	var names []string
	var err error
	switch name := string(m.Bun.SQLName); q.dialect() {
	case dialect.PG:
		err = db.NewRaw("SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(?) AND attgenerated <> ''", name).Scan(ctx, &names)
	case dialect.MySQL:
		var types map[string]value.MySQLType
		types, err = value.LoadMySQLTypes(ctx, db, name)
		for _, f := range m.Bun.Fields {
			if types[strings.ToLower(f.Name)].Generated {
				names = append(names, f.Name)
			}
		}
	default:
		table := m.Bun.Name[strings.LastIndexByte(m.Bun.Name, '.')+1:]
		err = db.NewRaw("SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)", table).Scan(ctx, &names)
	}
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", m.Table, err)
	}
	return names, nil
}

// leaveOut leaves columns as they will be.
func (u *undo) leaveOut(columns []string) {
	for _, name := range columns {
		delete(u.then, name)
	}
	u.masked = slices.DeleteFunc(u.masked, func(name string) bool { return slices.Contains(columns, name) })
}

// truncated refuses to undo what has become of rows since before a truncation: what
// ended them then isn't among their events, and can't be undone.
func (r *reverter) truncated(ctx context.Context, q *query) error {
	if !q.keyed {
		return nil // it is among the events of the table
	}
	if err := q.settle(ctx); err != nil {
		return err
	}
	one := *q
	one.keyed, one.keys, one.forms, one.conds = false, nil, nil, slices.Clip(q.conds)
	one.whereText("op", []string{string(sink.Truncate)})
	wholes, err := q.wholes(ctx)
	if err != nil {
		return err
	}
	var failed error
	err = one.each(ctx, 0, 0, func(e *found) bool {
		for _, key := range q.keys {
			was, err := q.stateUpTo(ctx, q, key, e.seq-1, wholes)
			switch {
			case err != nil:
				failed = err
			case was.presence == there:
				failed = fmt.Errorf("the %s of %s can't be undone (event %s)", e.Op, e.Table, e.ID)
			}
			if failed != nil {
				return false
			}
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}
