package bunaudit

import (
	"slices"
	"strings"

	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// uncapturable says what PostgreSQL and SQLite have in common that can't be
// recorded yet.
func uncapturable(s sqltext.Statement) string {
	if s.WithWrites {
		return "a common table expression writes"
	}
	if s.MultiTable && s.Verb != sqltext.Truncate {
		return "it writes to several tables"
	}
	switch s.Verb {
	case sqltext.Update:
		if !s.ReturningWith.Empty() {
			return "RETURNING WITH can't be recorded yet"
		}
		return ""
	case sqltext.Insert, sqltext.Delete, sqltext.Merge, sqltext.Truncate:
		return ""
	}
	return s.Verb.String() + " can't be recorded yet"
}

// changesIdentity reports whether an update sets a column that tells the rows
// apart.
func changesIdentity(p *plan, s sqltext.Statement) bool {
	for _, a := range s.Assignments {
		for _, column := range a.Columns {
			if p.identityAt(column) >= 0 {
				return true
			}
		}
	}
	return false
}

// identityAt is where a column is in the model's identity, or -1.
func (p *plan) identityAt(column string) int {
	return slices.IndexFunc(p.model.Identity, func(f *schema.Field) bool { return strings.EqualFold(f.Name, column) })
}

// appendIn appends "(a, b) IN ((1, 2), (3, 4))", with what the database wants
// before rows of several columns.
func appendIn(b []byte, names []string, rows []identity, values string) []byte {
	if len(rows) == 0 {
		return append(b, "1 = 0"...)
	}
	b = appendTuple(b, names)
	b = append(b, " IN ("...)
	if len(names) > 1 {
		b = append(b, values...)
	}
	for i, id := range rows {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendTuple(b, id)
	}
	return append(b, ')')
}

func appendTuple(b []byte, parts []string) []byte {
	if len(parts) > 1 {
		b = append(b, '(')
	}
	for i, p := range parts {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, p...)
	}
	if len(parts) > 1 {
		b = append(b, ')')
	}
	return b
}
