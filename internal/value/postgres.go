package value

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// PostgresType is what [AppendPostgresExpr] has to know about a column. The
// zero PostgresType is a column that PostgreSQL's own to_jsonb encodes.
type PostgresType struct {
	// Name is the type as PostgreSQL prints it, for people to read.
	Name string

	// OID is the type's number in pg_type, as pg_typeof gives it.
	OID int64

	// Generated is true for GENERATED ALWAYS AS (…): a column that no statement
	// can set.
	Generated bool

	rule  pgRule
	array bool
	equal pgEquality
	field bool // an interval
}

// ReadsByModifier reports whether the input of a value takes the column's type
// modifier into account: '1' is a year in a column of the type interval year,
// and a second as an interval that is then converted. In all others such
// as numeric(5, 2), the value is read first.
func (t PostgresType) ReadsByModifier() bool { return t.field && !t.array }

// Plain reports whether to_jsonb alone makes the canonical JSON of a value that
// is not NULL.
func (t PostgresType) Plain() bool { return t.rule == pgPlain }

// EqualIsSame reports whether two values are equal just if they have the same
// canonical JSON. It is not so of numeric, say, where 1.0 = 1.00.
func (t PostgresType) EqualIsSame() bool { return t.equal == pgEqualIsSame }

// IsTime reports whether values are timestamps, with or without a time zone: an
// expression for the one would give another moment for the other.
func (t PostgresType) IsTime() bool {
	return !t.array && (t.rule == pgTimestamp || t.rule == pgTimestampTZ)
}

// IsText reports whether values of the type are texts whose canonical JSON is
// the text.
func (t PostgresType) IsText() bool { return t.equal == pgEqualByText }

// pgEquality is how values can be told apart without making their JSON.
type pgEquality uint8

const (
	pgEqualByJSON pgEquality = iota
	pgEqualIsSame
	pgEqualByText
)

func equalityOf(oid int64, typtype string) pgEquality {
	switch oid {
	case 16, 20, 21, 23, 26, 700, 701, // bool, integers, oid, floats
		17, 2950, 1082, 1114, 1184: // bytea, uuid, date, timestamps
		return pgEqualIsSame
	case 25, 1043: // text, varchar; not char(n), which ignores spaces
		return pgEqualByText
	}
	if typtype == "e" {
		return pgEqualIsSame
	}
	return pgEqualByJSON
}

// pgRule is how the JSON of a type is made.
type pgRule uint8

const (
	pgPlain            pgRule = iota // to_jsonb
	pgTimestampTZ                    // in UTC, six decimals
	pgTimestamp                      // six decimals
	pgBytea                          // base64
	pgJSON                           // as jsonb
	pgMoney                          // as numeric
	pgText                           // as printed
	pgTimestampTZRange               // as printed, in UTC
	pgTimestampRange                 // as printed, in ISO form
	pgDateRange                      // as printed, in ISO form
)

// loadTypes resolves domains and arrays to the type below them. It asks for the
// form of a composite type only, because composites are recorded as text.
const loadTypes = `
WITH RECURSIVE cols AS (
	SELECT attname, atttypid, atttypmod, attgenerated, attnum
	FROM pg_catalog.pg_attribute
	WHERE attrelid = pg_catalog.to_regclass(%s) AND attnum > 0 AND NOT attisdropped
), types (root, oid, depth) AS (
	SELECT DISTINCT atttypid, atttypid, 0 FROM cols
	UNION
	SELECT s.root, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
		s.depth + CASE WHEN t.typtype = 'd' THEN 0 ELSE 1 END
	FROM types s JOIN pg_catalog.pg_type t ON t.oid = s.oid
	WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typlen = -1 AND t.typelem <> 0)
)
SELECT c.attname::text, pg_catalog.format_type(c.atttypid, c.atttypmod), c.atttypid::int8, c.attgenerated::text <> '',
	s.depth, t.oid::int8, t.typtype::text, t.typname::text
FROM cols c JOIN types s ON s.root = c.atttypid JOIN pg_catalog.pg_type t ON t.oid = s.oid
WHERE t.typtype <> 'd' AND NOT (t.typcategory = 'A' AND t.typlen = -1 AND t.typelem <> 0)
ORDER BY c.attnum`

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// LoadPostgresTypes reads the types of a table's columns from the catalog, by
// column name, in one query. The table's name is quoted as in SQL, with or
// without its schema; without one the session's search_path finds it. A table
// that isn't there is an error, which leaves the transaction usable.
func LoadPostgresTypes(ctx context.Context, q queryer, table string) (map[string]PostgresType, error) {
	rows, err := q.QueryContext(ctx, fmt.Sprintf(loadTypes, AppendPostgresLiteral(nil, table)))
	if err != nil {
		return nil, fmt.Errorf("value: load column types: %w", err)
	}
	defer func() { _ = rows.Close() }()
	types := make(map[string]PostgresType)
	for rows.Next() {
		var name, typtype, typname string
		var depth int
		var oid int64
		var t PostgresType
		if err := rows.Scan(&name, &t.Name, &t.OID, &t.Generated, &depth, &oid, &typtype, &typname); err != nil {
			return nil, fmt.Errorf("value: load column types: %w", err)
		}
		const interval = 1186
		t.array, t.field = depth > 0, oid == interval
		if depth < 2 {
			t.rule = ruleOf(oid, typtype, typname)
		}
		if depth == 0 {
			t.equal = equalityOf(oid, typtype)
		}
		types[name] = t
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("value: load column types: %w", err)
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("value: load column types: there is no table %s", table)
	}
	return types, nil
}

func ruleOf(oid int64, typtype, typname string) pgRule {
	const firstUserOID = 16384
	switch oid {
	case 1184:
		return pgTimestampTZ
	case 1114:
		return pgTimestamp
	case 17:
		return pgBytea
	case 114:
		return pgJSON
	case 790:
		return pgMoney
	case 3910:
		return pgTimestampTZRange
	case 3908:
		return pgTimestampRange
	case 3912:
		return pgDateRange
	case 2249: // record
		return pgText
	}
	switch {
	case typtype == "c":
		return pgText
	case typtype == "b" && oid >= firstUserOID && typname != "hstore":
		// to_jsonb would use a cast to json of the extension's own, and lose
		// what the Go type reads.
		return pgText
	}
	return pgPlain
}

// AppendPostgresLiteral appends s as a literal, whatever the session's
// standard_conforming_strings is.
func AppendPostgresLiteral(b []byte, s string) []byte {
	if strings.Contains(s, `\`) {
		b = append(b, 'E')
	}
	b = append(b, '\'')
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			b = append(b, s[i])
		}
		b = append(b, s[i])
	}
	return append(b, '\'')
}
