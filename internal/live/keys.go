package live

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// ByKeys returns those of the rows with the keys that are there. What suffix
// says, such as FOR UPDATE, comes at the end of the query.
func (t *Table) ByKeys(ctx context.Context, db bun.IDB, keys []sink.Values, suffix string) ([]Row, error) {
	var all []Row
	most := maxListed
	if db.Dialect().Name() == dialect.MySQL {
		most = maxListedMySQL
	}
	for some := range slices.Chunk(keys, max(most/len(t.Model.Key), 1)) {
		cond, args := t.in(db, some)
		if len(args) == 0 {
			continue
		}
		sel := t.from(db).Where(cond, args...)
		if suffix != "" {
			sel = sel.For(suffix)
		}
		rows, err := t.scan(ctx, sel)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// How many values a query lists. MariaDB rather goes through all the rows, and
// locks them, where it would look up more than about a fifth of them: so a list
// is that much shorter than a page of Baseline.
const (
	maxListed      = 900
	maxListedMySQL = 200
)

// in is the condition that the row t has one of the keys, in the form that the
// database looks up in an index; without arguments no row can.
func (t *Table) in(db bun.IDB, keys []sink.Values) (cond string, args []any) {
	var names, tuples []string
	for _, f := range t.Model.Key {
		names = append(names, "t."+string(f.SQLName))
	}
	tuple := "(?" + strings.Repeat(", ?", len(names)-1) + ")"
	for _, key := range keys {
		if own, ok := t.keyArgs(key); ok {
			tuples, args = append(tuples, tuple), append(args, own...)
		}
	}
	if args == nil {
		return "", nil
	}
	values := ""
	if db.Dialect().Name() == dialect.SQLite {
		values = "VALUES "
	}
	list := bun.Safe(strings.Join(names, ", "))
	return "(?) IN (" + values + strings.Join(tuples, ", ") + ")", append([]any{list}, args...)
}

// keyArgs returns the values of a key, and false where a column can't have its
// own: then no row has the key.
func (t *Table) keyArgs(key sink.Values) ([]any, bool) {
	args := make([]any, len(t.Model.Key))
	for i, f := range t.Model.Key {
		arg, err := value.Arg(f, key[f.Name])
		if err != nil {
			return nil, false
		}
		args[i] = arg
	}
	return args, true
}
