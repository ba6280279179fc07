package sqltext

import "strings"

// Dialect says whose rules a text follows.
type Dialect uint8

const (
	PostgreSQL Dialect = iota
	SQLite
	// MySQL stands for MariaDB as well. Where the two differ, both readings are
	// taken into account.
	MySQL
)

// String returns the dialect's usual spelling.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case SQLite:
		return "SQLite"
	case MySQL:
		return "MySQL"
	}
	return "unknown dialect"
}

// Name is a table's name, unquoted, and qualified if the text qualifies it.
//
// PostgreSQL folds a name without quotes to lower case, so these names compare
// with ==. SQLite and MySQL keep names as written; compare them with [Name.Is].
type Name struct{ Schema, Table string }

// IsZero says whether there is no name.
func (n Name) IsZero() bool { return n.Table == "" }

// Is says whether the name may mean the given table. An empty schema on either
// side matches any schema, since only the connection knows its search path.
func (n Name) Is(d Dialect, schema, table string) bool {
	if n.Schema != "" && schema != "" && !sameName(d, n.Schema, schema) {
		return false
	}
	return sameName(d, n.Table, table)
}

// String joins schema and table with a dot. It does not quote.
func (n Name) String() string {
	if n.Schema == "" {
		return n.Table
	}
	return n.Schema + "." + n.Table
}

func sameName(d Dialect, a, b string) bool {
	if d == PostgreSQL {
		return a == b
	}
	return strings.EqualFold(a, b)
}

// Span is a part of a text, from byte Start up to but not including byte End.
// The zero Span stands for a clause that isn't there.
type Span struct{ Start, End int }

// Empty says whether the span holds no text.
func (s Span) Empty() bool { return s.End <= s.Start }

// In returns the spanned part of sql, which shares its memory.
func (s Span) In(sql string) string {
	if s.Empty() {
		return ""
	}
	return sql[s.Start:s.End]
}
