package value

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"
)

// Kind is which of the rules for values applies to a column. The zero Kind is
// KindText.
type Kind uint8

const (
	// KindText is text, and everything that has no rule of its own.
	KindText Kind = iota
	// KindBool is true or false.
	KindBool
	// KindInt is an integer.
	KindInt
	// KindFloat is a binary floating point number.
	KindFloat
	// KindNumeric is a decimal number.
	KindNumeric
	// KindTimestampTZ is an instant.
	KindTimestampTZ
	// KindTimestamp is a date and a time of day without zone.
	KindTimestamp
	// KindDate is a date.
	KindDate
	// KindBytes is a binary string.
	KindBytes
	// KindJSON is JSON.
	KindJSON
	// KindArray is an array of the database; where the database has none Bun
	// stores JSON.
	KindArray
	// KindHstore is PostgreSQL's hstore; elsewhere Bun stores JSON.
	KindHstore
)

// KindOf returns the kind of a model's column: what its SQL type says where
// that is one of those known here, else what Bun makes of its Go type.
func KindOf(f *schema.Field) Kind {
	switch {
	case f.Tag.HasOption("msgpack"):
		return KindBytes
	case f.Tag.HasOption("array"), f.Tag.HasOption("multirange"), strings.HasSuffix(userSQLType(f), "[]"):
		return KindArray
	case f.Tag.HasOption("hstore"):
		return KindHstore
	}
	if name := userSQLType(f); name != "" {
		if k, ok := kindOfSQLType(name); ok {
			return k
		}
		return kindOfGoType(f.IndirectType)
	}
	if onPostgres(f) {
		if k, ok := kindOfSQLType(f.DiscoveredSQLType); ok {
			return k
		}
	}
	return kindOfGoType(f.IndirectType)
}

// userSQLType is the type that the model's tag gives, or "". Bun fills its own
// field UserSQLType with what it has discovered.
func userSQLType(f *schema.Field) string {
	name, _ := f.Tag.Option("type")
	return name
}

// kindOfSQLType knows the names of types that the databases and Bun use.
func kindOfSQLType(name string) (Kind, bool) {
	switch baseSQLType(name) {
	case "BOOLEAN", "BOOL":
		return KindBool, true
	case "SMALLINT", "INTEGER", "BIGINT", "INT", "INT2", "INT4", "INT8", "TINYINT", "MEDIUMINT",
		"SMALLSERIAL", "SERIAL", "BIGSERIAL", "SERIAL2", "SERIAL4", "SERIAL8":
		return KindInt, true
	case "REAL", "DOUBLE PRECISION", "DOUBLE", "FLOAT", "FLOAT4", "FLOAT8":
		return KindFloat, true
	case "NUMERIC", "DECIMAL", "MONEY":
		return KindNumeric, true
	case "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "DATETIME":
		return KindTimestampTZ, true
	case "TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE":
		return KindTimestamp, true
	case "DATE":
		return KindDate, true
	case "BYTEA", "BLOB", "BINARY", "VARBINARY", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB":
		return KindBytes, true
	case "JSON", "JSONB":
		return KindJSON, true
	case "HSTORE":
		return KindHstore, true
	case "TEXT", "VARCHAR", "CHARACTER VARYING", "CHAR", "CHARACTER", "BPCHAR", "CITEXT", "UUID",
		"TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "TIME", "TIMETZ", "INTERVAL", "INET", "CIDR", "XML":
		return KindText, true
	}
	return KindText, false
}

// baseSQLType is the name of a type in capitals, with single spaces, without
// lengths.
func baseSQLType(name string) string {
	var b strings.Builder
	depth := 0
	for _, r := range name {
		switch {
		case r == '(':
			depth++
			b.WriteByte(' ')
		case r == ')':
			depth--
		case depth <= 0:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(strings.ToUpper(b.String())), " ")
}

// kindOfGoType follows Bun's choice of appender for a Go type.
func kindOfGoType(typ reflect.Type) Kind {
	switch typ {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[sql.NullTime](), reflect.TypeFor[schema.NullTime](), reflect.TypeFor[sql.Null[time.Time]]():
		return KindTimestampTZ
	case reflect.TypeFor[sql.NullBool](), reflect.TypeFor[sql.Null[bool]]():
		return KindBool
	case reflect.TypeFor[sql.NullInt16](), reflect.TypeFor[sql.NullInt32](), reflect.TypeFor[sql.NullInt64](), reflect.TypeFor[sql.NullByte]():
		return KindInt
	case reflect.TypeFor[sql.NullFloat64](), reflect.TypeFor[sql.Null[float64]]():
		return KindFloat
	case reflect.TypeFor[json.RawMessage]():
		return KindJSON
	case reflect.TypeFor[net.IP](), reflect.TypeFor[net.IPNet](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix]():
		return KindText
	}
	if ownsItsForm(typ) && typ.Kind() != reflect.Bool {
		return KindText
	}
	switch typ.Kind() {
	case reflect.Bool:
		return KindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return KindInt
	case reflect.Float32, reflect.Float64:
		return KindFloat
	case reflect.Slice, reflect.Array:
		if typ.Elem().Kind() == reflect.Uint8 {
			return KindBytes
		}
		return KindJSON
	case reflect.Struct, reflect.Map:
		return KindJSON
	}
	return KindText
}

// ownsItsForm reports whether a type says itself what is stored: then only the
// stored value can tell.
func ownsItsForm(typ reflect.Type) bool {
	valuer, appender := reflect.TypeFor[driver.Valuer](), reflect.TypeFor[schema.QueryAppender]()
	ptr := reflect.PointerTo(typ)
	return typ.Implements(valuer) || ptr.Implements(valuer) || typ.Implements(appender) || ptr.Implements(appender)
}

// onSQLite and its sisters report whether the field belongs to a model of such a
// database.
func onSQLite(f *schema.Field) bool {
	return f.Table != nil && f.Table.Dialect().Name() == dialect.SQLite
}

func onMariaDB(f *schema.Field) bool {
	return f.Table != nil && f.Table.Dialect().Name() == dialect.MySQL
}

// On PostgreSQL Bun has scanners for arrays and hstore.
func onPostgres(f *schema.Field) bool {
	return f.Table != nil && f.Table.Dialect().Name() == dialect.PG
}
