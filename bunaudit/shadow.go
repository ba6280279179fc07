package bunaudit

import (
	"context"
	"slices"
	"strings"
)

// A common table expression hides a table of its name wherever that is read, but
// not where it is written to:
//
//	WITH customers AS (SELECT …) UPDATE customers SET …
//
// updates the table. The audit reads the table as well, in the scope of the
// expressions that the condition may need. There it says which schema it means.

// shadowed reports whether a common table expression has the name by which the
// statement calls its table.
func (r *recorder) shadowed() bool {
	if r.stmt.Target.Schema != "" {
		return false
	}
	return slices.ContainsFunc(r.stmt.WithNames, func(name string) bool {
		return name == "" || // it can't be read
			r.stmt.Target.Is(r.registry.lexical, "", name)
	})
}

// unshadow makes tableName mean the table also where it is shadowed.
func (c *capture) unshadow(ctx context.Context) (err error) {
	if !c.shadowed() {
		return nil
	}
	if c.schema, err = c.registry.dialect.schemaOf(ctx, c.unit, c.stmt.Target.Table); err != nil {
		return &statementError{err}
	}
	return nil
}

// usesOurNames reports whether a text has names in it such as those of the common
// table expressions that the audit adds. What is read under them would not be the
// same with the audit's beside it.
func usesOurNames(text string) bool {
	const prefix = "bunaudit"
	for {
		i := strings.IndexByte(text, '_')
		if i < 0 {
			return false
		}
		if i >= len(prefix) && strings.EqualFold(text[i-len(prefix):i], prefix) {
			return true
		}
		text = text[i+1:]
	}
}
