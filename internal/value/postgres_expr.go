package value

import (
	"errors"
	"fmt"
	"slices"
)

// AppendPostgresExpr appends an SQL expression of type jsonb that is the
// canonical JSON of a column of the given type: for a SELECT list or a RETURNING
// list. SQL's NULL gives the JSON null; the expression is never NULL. The column
// is quoted as in SQL, with or without a table before it, and is used more than
// once. It works on PostgreSQL 13 and later and does not depend on the session's
// TimeZone, DateStyle (but for composite types, multiranges and arrays of
// ranges) and bytea_output.
func AppendPostgresExpr(b []byte, typ PostgresType, quotedColumn string) []byte {
	b = append(b, "COALESCE("...)
	if typ.array {
		b = appendArrayExpr(b, typ.rule, quotedColumn)
	} else {
		b = appendScalarExpr(b, typ.rule, quotedColumn)
	}
	return append(b, ",'null'::jsonb)"...)
}

// AppendPostgres appends what the expression of [AppendPostgresExpr], as text, has
// delivered: without the spaces that PostgreSQL puts into JSON.
func AppendPostgres(b []byte, v any) ([]byte, error) {
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return nil, fmt.Errorf("value: encode column: unexpected type %T from the driver", v)
	}
	b, ok := AppendJSON(slices.Grow(b, len(text)), text)
	if !ok {
		return nil, errors.New("value: encode column: the database delivered no JSON")
	}
	return b, nil
}

// AppendPostgresExprAs is [AppendPostgresExpr] for a statement that makes sure
// by itself that the column still has the type: it is shorter for times.
func AppendPostgresExprAs(b []byte, typ PostgresType, quotedColumn string) []byte {
	if !typ.IsTime() {
		return AppendPostgresExpr(b, typ, quotedColumn)
	}
	b = append(b, "COALESCE("...)
	if typ.rule == pgTimestampTZ {
		b = appendShortTime(b, quotedColumn, "timezone('UTC',"+quotedColumn+")", `"Z"`)
	} else {
		b = appendShortTime(b, quotedColumn, quotedColumn, "")
	}
	return append(b, ",'null')"...)
}

// appendShortTime is appendTimeExpr for a column that is known to have the type.
func appendShortTime(b []byte, col, inUTC, zone string) []byte {
	return appendAll(b, `CASE WHEN `, col, `>='0001-01-01 00:00:00+00' AND `, col, `<'infinity' THEN to_jsonb(to_char(`,
		inUTC, `,'YYYY-MM-DD"T"HH24:MI:SS.US`, zone, `')) ELSE to_jsonb(`, inUTC, `) END`)
}

// appendScalarExpr appends an expression that is NULL where the column is.
func appendScalarExpr(b []byte, rule pgRule, col string) []byte {
	switch rule {
	case pgTimestampTZ:
		return appendEither(b, col, "timestamp", appendTimestamp, appendTimestampTZ)
	case pgTimestamp:
		return appendEither(b, col, "timestamptz", appendTimestampTZ, appendTimestamp)
	case pgBytea:
		// encode breaks lines after 76 characters.
		return appendAll(b, "to_jsonb(replace(encode(", col, ",'base64'),chr(10),''))")
	case pgJSON:
		// jsonb can't hold \u0000: such a JSON is recorded as its text.
		return appendAll(b, `CASE WHEN `, col, `::text~E'(^|[^\\\\])(\\\\\\\\)*\\\\u0000' THEN to_jsonb(`,
			col, `::text) ELSE `, col, `::jsonb END`)
	case pgMoney:
		return appendAll(b, "to_jsonb(", col, "::numeric)")
	case pgText:
		return appendAll(b, "to_jsonb(", col, "::text)")
	case pgTimestampTZRange:
		return appendRangeExpr(b, col, " AT TIME ZONE 'UTC'", "+00", `"`)
	case pgTimestampRange:
		return appendRangeExpr(b, col, "", "", `"`)
	case pgDateRange:
		return appendRangeExpr(b, col, "", "", "")
	}
	return appendAll(b, "to_jsonb(", col, ")")
}

// appendRangeExpr appends a range of times as PostgreSQL prints it where
// DateStyle is ISO and TimeZone is UTC.
func appendRangeExpr(b []byte, col, inUTC, zone, quote string) []byte {
	bound := func(b []byte, fn string) []byte {
		v := fn + "(" + col + ")"
		return appendAll(b, "COALESCE(CASE WHEN isfinite(", v, ") THEN '", quote, "'||replace(replace(to_jsonb(", v, inUTC,
			")#>>'{}','T',' ')||'", zone, "',' BC", zone, "','", zone, " BC')||'", quote, "' ELSE ", v, "::text END,'')")
	}
	b = appendAll(b, "CASE WHEN isempty(", col, ") THEN to_jsonb('empty'::text) WHEN NOT isempty(", col,
		") THEN to_jsonb(CASE WHEN lower_inc(", col, ") THEN '[' ELSE '(' END||")
	b = bound(b, "lower")
	b = append(b, "||','||"...)
	b = bound(b, "upper")
	return appendAll(b, "||CASE WHEN upper_inc(", col, ") THEN ']' ELSE ')' END) END")
}

// appendEither appends an expression that is right for a column of its own type
// and for one that has been altered to the other type since its type was read.
// The wrong form would give the time of another zone, without an error.
func appendEither(b []byte, col, other string, forOther, own func(b []byte, col string) []byte) []byte {
	b = appendAll(b, "CASE WHEN pg_typeof(", col, ")='", other, "'::regtype THEN ")
	b = forOther(b, col)
	b = own(append(b, " ELSE "...), col)
	return append(b, " END"...)
}

func appendTimestampTZ(b []byte, col string) []byte {
	return appendTimeExpr(b, col, col+"::timestamptz AT TIME ZONE 'UTC'", `Z`)
}

func appendTimestamp(b []byte, col string) []byte {
	return appendTimeExpr(b, col, col+"::timestamp", ``)
}

// appendTimeExpr appends the form of a time; infinities and times before
// Christ have the form that to_jsonb gives them.
func appendTimeExpr(b []byte, col, inUTC, suffix string) []byte {
	zone := ""
	if suffix != "" {
		zone = `"` + suffix + `"`
	}
	return appendAll(b, `CASE WHEN isfinite(`, col, `) AND `, col, `>='0001-01-01 00:00:00+00' THEN to_jsonb(to_char(`,
		inUTC, `,'YYYY-MM-DD"T"HH24:MI:SS.US`, zone, `')) ELSE to_jsonb(`, inUTC, `) END`)
}

// appendArrayExpr takes arrays of types with a rule of their own apart. Those
// of more than one dimension are left to to_jsonb.
func appendArrayExpr(b []byte, rule pgRule, col string) []byte {
	switch rule {
	case pgMoney:
		return appendAll(b, "to_jsonb(", col, "::numeric[])")
	case pgText:
		return appendAll(b, "to_jsonb(", col, "::text[])")
	case pgTimestampTZ, pgTimestamp, pgBytea:
		b = appendAll(b, "CASE WHEN array_ndims(", col, ")=1 THEN (SELECT jsonb_agg(")
		b = appendScalarExpr(b, rule, "bunaudit_e.v")
		return appendAll(b, " ORDER BY bunaudit_e.n) FROM unnest(", col,
			") WITH ORDINALITY AS bunaudit_e(v,n)) ELSE to_jsonb(", col, ") END")
	}
	return appendAll(b, "to_jsonb(", col, ")")
}

func appendAll(b []byte, parts ...string) []byte {
	for _, s := range parts {
		b = append(b, s...)
	}
	return b
}
