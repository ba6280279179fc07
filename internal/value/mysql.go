package value

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MySQLType is what [AppendMySQLExpr] and [EncodeMySQL] have to know about a
// column of MariaDB or MySQL.
type MySQLType struct {
	// Name is the type as the server prints it, for people to read.
	Name string

	// AutoIncrement is true for the column that the server numbers.
	AutoIncrement bool

	// Generated is true for a column that the server computes from others.
	Generated bool

	rule mysqlRule
}

// mysqlRule is how the JSON of a type is made.
type mysqlRule uint8

const (
	mysqlText      mysqlRule = iota // as printed
	mysqlInteger                    // also year
	mysqlBit                        // as an integer
	mysqlDecimal                    // exact
	mysqlFloat                      // of 32 bits
	mysqlDouble                     // of 64 bits
	mysqlTimestamp                  // an instant
	mysqlDatetime                   // a date and a time of day
	mysqlBytes                      // base64
	mysqlGeometry                   // as well-known text
)

// LoadMySQLTypes reads the types of a table's columns, by the column's name in
// lower case, in one query. The table's name is quoted as in SQL, with or without its database;
// without one it is in the connection's. Errors are the driver's.
func LoadMySQLTypes(ctx context.Context, q queryer, table string) (map[string]MySQLType, error) {
	rows, err := q.QueryContext(ctx, "SHOW COLUMNS FROM "+table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	types := make(map[string]MySQLType)
	for rows.Next() {
		var name, extra string
		var t MySQLType
		var null, key, byDefault sql.RawBytes
		if err := rows.Scan(&name, &t.Name, &null, &key, &byDefault, &extra); err != nil {
			return nil, err
		}
		t.AutoIncrement = strings.Contains(strings.ToLower(extra), "auto_increment")
		t.Generated = strings.Contains(strings.ToLower(extra), "generated")
		t.rule = mysqlRuleOf(t.Name)
		types[strings.ToLower(name)] = t
	}
	return types, rows.Err()
}

// AsPrinted returns the type of a column that is read as the session prints it,
// as a literal that the column is compared with is.
func (t MySQLType) AsPrinted() MySQLType {
	if t.rule == mysqlTimestamp {
		t.rule = mysqlText
	}
	return t
}

// AppendAssigned appends an expression for what a column of the type holds once
// another expression is assigned to it, which may be of any type: a text, say, of a
// time or a number that the column prints with more digits.
func (t MySQLType) AppendAssigned(b []byte, expression string) []byte {
	base, rest, _ := strings.Cut(strings.ToLower(t.Name), "(")
	base, _, _ = strings.Cut(base, " ")
	args, _, limited := strings.Cut(rest, ")")
	switch base {
	case "timestamp":
		base = "datetime"
	case "datetime", "date", "time", "decimal", "binary", "uuid", "inet4", "inet6":
	case "char":
		return appendAll(b, "RTRIM(", expression, "\n)")
	default:
		if t.rule == mysqlInteger { // the column rounds
			return appendAll(b, "ROUND(", expression, "\n)")
		}
		return appendAll(b, "(", expression, "\n)")
	}
	if limited {
		base += "(" + args + ")"
	}
	return appendAll(b, "CAST(", expression, "\nAS ", base, ")")
}

// IsNumber reports whether the column holds numbers.
func (t MySQLType) IsNumber() bool { return t.rule >= mysqlInteger && t.rule <= mysqlDouble }

// IsBytes reports whether the column holds binary strings.
func (t MySQLType) IsBytes() bool { return t.rule == mysqlBytes }

func mysqlRuleOf(name string) mysqlRule {
	base, _, _ := strings.Cut(strings.ToLower(name), "(")
	base, _, _ = strings.Cut(base, " ")
	switch base {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		return mysqlInteger
	case "bit":
		return mysqlBit
	case "decimal":
		return mysqlDecimal
	case "float":
		return mysqlFloat
	case "double":
		return mysqlDouble
	case "timestamp":
		return mysqlTimestamp
	case "datetime":
		return mysqlDatetime
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return mysqlBytes
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return mysqlGeometry
	}
	return mysqlText
}

// AppendMySQLExpr appends an expression for a column of the type typ, whose value
// [EncodeMySQL] takes. It is a binary string that says the same whatever the
// session's time zone and character sets are, and whatever the driver makes of
// types. quotedColumn is the column as SQL has it, quoted and qualified.
func AppendMySQLExpr(b []byte, typ MySQLType, quotedColumn string) []byte {
	col := quotedColumn
	switch typ.rule {
	case mysqlBytes:
		return appendAll(b, "CAST(", col, " AS BINARY)")
	case mysqlBit:
		col += " + 0"
	case mysqlFloat: // which prints six digits of itself
		col = "CAST(" + col + " AS DOUBLE)"
	case mysqlTimestamp:
		col = "UNIX_TIMESTAMP(" + col + ")"
	case mysqlGeometry:
		col = "CONCAT('SRID=', ST_SRID(" + col + "), ';', ST_AsText(" + col + "))"
	}
	return appendAll(b, "CAST(CONVERT(", col, " USING utf8mb4) AS BINARY)")
}

// EncodeMySQL returns the canonical JSON of what the expression of
// [AppendMySQLExpr] has delivered. The type of the column says what it is; the
// kind of the model's column k adds what MariaDB has no type for: which numbers
// are booleans, which texts are JSON, and which datetimes are in UTC. What isn't
// of that kind keeps the form that its type has.
func EncodeMySQL(typ MySQLType, k Kind, v any) (json.RawMessage, error) {
	return AppendMySQL(nil, typ, k, v)
}

// AppendMySQL appends what [EncodeMySQL] returns.
func AppendMySQL(b []byte, typ MySQLType, k Kind, v any) ([]byte, error) {
	var text []byte
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case []byte:
		text = v
	case string:
		text = []byte(v)
	default:
		return nil, fmt.Errorf("value: encode column: unexpected type %T from the driver", v)
	}
	return appendMySQL(slices.Grow(b, len(text)+8), typ.rule, k, text), nil
}

func appendMySQL(b []byte, rule mysqlRule, k Kind, text []byte) []byte {
	s := string(text)
	switch rule {
	case mysqlInteger, mysqlBit, mysqlDecimal:
		if k == KindBool && (s == "0" || s == "1") {
			return strconv.AppendBool(b, s == "1")
		}
		if out, ok := appendNumber(b, s); ok {
			return out
		}
	case mysqlFloat, mysqlDouble:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			if rule == mysqlFloat {
				return appendFloat(b, float64(float32(f)), 32)
			}
			return appendFloat(b, f, 64)
		}
	case mysqlTimestamp:
		return appendUnixTime(b, s)
	case mysqlDatetime:
		if t, err := time.Parse("2006-01-02 15:04:05.999999", s); err == nil {
			if k != KindTimestampTZ {
				k = KindTimestamp
			}
			return appendTime(b, k, t)
		}
	case mysqlBytes:
		return appendBase64(b, text)
	case mysqlText:
		switch k {
		case KindJSON, KindArray, KindHstore:
			if out, ok := AppendJSON(b, text); ok {
				return out
			}
		}
	}
	return appendText(b, s)
}

// appendUnixTime appends an instant that is given in seconds. The server gives 0,
// which no column can hold, for its zero date.
func appendUnixTime(b []byte, s string) []byte {
	whole, fraction, _ := strings.Cut(s, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return appendText(b, s)
	}
	micros, err := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	if err != nil {
		return appendText(b, s)
	}
	if seconds == 0 && micros == 0 {
		return AppendString(b, "0000-00-00 00:00:00")
	}
	return appendTime(b, KindTimestampTZ, time.Unix(seconds, micros*1000))
}
