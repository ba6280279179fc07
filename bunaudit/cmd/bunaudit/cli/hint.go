package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// hintTables is how many tables a hint names.
const hintTables = 20

// hinted passes err on. Where nothing was found, it tells people if no event at all
// is of the table that args name. That is no error: a table may have no history
// yet, or no longer.
func (c *command) hinted(ctx context.Context, db *bun.DB, args []string, found int, err error) error {
	if found > 0 || len(args) == 0 || err != nil && !errors.Is(err, errNoRow) {
		return err
	}
	return errors.Join(err, c.hint(ctx, db, args[0]))
}

func (c *command) hint(ctx context.Context, db *bun.DB, table string) error {
	found, err := c.eventTables(ctx, db, "=", table)
	if err != nil || len(found) > 0 {
		return err
	}
	what := fmt.Sprintf("no event is of a table %s", printable(table))
	// One by one: an index has the next name, where DISTINCT would read everything.
	// MariaDB's index has the beginnings of names alone.
	var tables []string
	for name := ""; db.Dialect().Name() != dialect.MySQL; {
		next, err := c.eventTables(ctx, db, ">", name)
		if err != nil {
			return err
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
	_, err = fmt.Fprintf(c.err, "%s: %s\n", c.cfg.Name, what)
	return err
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
