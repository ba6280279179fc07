package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// hintTables is how many tables a hint names.
const hintTables = 20

// hint tells people why nothing was found, as far as that can be told: no event at
// all is of the table, say. That is no error: a table may have no history yet, or
// no longer.
func (c *command) hint(ctx context.Context, db *bun.DB, q *question, like sink.Values, none string) error {
	what := ""
	if q.table != "" {
		var err error
		if what, err = c.hintTable(ctx, db, q.table); err != nil {
			return err
		}
	}
	switch {
	case what != "":
	case like != nil && !slices.Equal(slices.Sorted(maps.Keys(like)), slices.Sorted(maps.Keys(q.key.values))):
		what = fmt.Sprintf("a key of %s has other columns: it looks like %s", printable(q.table), printable(text(like)))
	case none == "" || c.json:
		return nil
	default:
		what = none
	}
	return c.note(what)
}

// hintTable says that no event is of the table, where that is so.
func (c *command) hintTable(ctx context.Context, db *bun.DB, table string) (string, error) {
	found, err := c.eventTables(ctx, db, "=", table)
	if err != nil || len(found) > 0 {
		return "", err
	}
	what := fmt.Sprintf("no event is of a table %s", printable(table))
	// One by one: an index has the next name, where DISTINCT would read everything.
	// MariaDB's index has the beginnings of names alone.
	var tables []string
	for name := ""; db.Dialect().Name() != dialect.MySQL; {
		next, err := c.eventTables(ctx, db, ">", name)
		if err != nil {
			return "", err
		}
		if len(next) == 0 {
			break
		}
		if len(tables) == hintTables {
			tables = append(tables, "…")
			break
		}
		name = next[0]
		tables = append(tables, printable(name))
	}
	if tables != nil {
		what += ", but of " + strings.Join(tables, ", ")
	}
	return what, nil
}

// eventTables returns the first table that there are events of, of those whose name
// compares so with another one.
func (c *command) eventTables(ctx context.Context, db *bun.DB, compares, name string) ([]string, error) {
	var first []string
	events := eventrow.Table{Schema: c.schema, Name: c.events}
	err := db.NewSelect().TableExpr("? AS e", events.Expr()).Column("e.table_name").
		Where("e.table_name ? ?", bun.Safe(compares), name).OrderExpr("e.table_name").Limit(1).Scan(ctx, &first)
	return first, err
}
