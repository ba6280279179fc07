// Package bunconn reads and sets the connection that a Bun query runs on.
//
// Bun exports a setter for it (Conn) and no getter: whether a query runs on the
// pool or in a transaction can only be read from the unexported field conn of
// the builder, and which hooks a database has from its field queryHooks. This
// package is the one place that does, by reflection, without assuming anything
// about memory that the field's own type doesn't say. A test pins it for every
// builder of every supported Bun; docs/decisions/0001-reading-the-connection.md
// says why it is needed.
package bunconn

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/uptrace/bun"
)

// Supported names the versions of Bun that the tests run on.
const Supported = "v1.2.15 to v1.3.0"

// Query is a query builder that can run a write.
type Query interface {
	bun.Query
	DB() *bun.DB
}

// Where the fields are. Looking one up by its name takes microseconds and some
// twenty allocations, which a statement shouldn't pay each time.
var (
	connIndex = indexesOf("conn", bun.InsertQuery{}, bun.UpdateQuery{}, bun.DeleteQuery{}, bun.RawQuery{},
		bun.SelectQuery{}, bun.MergeQuery{}, bun.TruncateTableQuery{})
	resolverIndex = indexesOf("resolver", bun.DB{})
	hooksIndex    = indexesOf("queryHooks", bun.DB{})
)

// indexesOf returns the index of the named field in each of the structs that
// has one.
func indexesOf(name string, structs ...any) map[reflect.Type][]int {
	indexes := make(map[reflect.Type][]int, len(structs))
	for _, s := range structs {
		typ := reflect.TypeOf(s)
		if f, ok := typ.FieldByName(name); ok {
			indexes[typ] = f.Index
		}
	}
	return indexes
}

// Get returns the connection that q runs on: nil for the pool, a *sql.Tx, a
// *sql.Conn, a *sql.DB, or what the user gave to q's method Conn. The error says
// that this version of Bun is unknown.
func Get(q Query) (bun.IConn, error) {
	var field reflect.Value
	if v := reflect.ValueOf(builder(q)); v.Kind() == reflect.Pointer {
		if index, ok := connIndex[v.Type().Elem()]; ok {
			field = v.Elem().FieldByIndex(index)
		} else {
			field = v.Elem().FieldByName("conn")
		}
	}
	if !field.IsValid() || field.Type() != reflect.TypeFor[bun.IConn]() {
		return nil, fmt.Errorf("bunaudit: %T has no connection that could be read: this version of Bun is not supported, use %s", q, Supported)
	}
	// The field is unexported, so its value can't be had by Interface. A
	// pointer of the same type to the same variable can.
	conn := *reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Interface().(*bun.IConn)
	switch c := conn.(type) {
	case *bun.Tx: // Bun unwraps the value, but not a pointer to it
		return c.Tx, nil
	case *bun.Conn:
		return c.Conn, nil
	}
	return conn, nil
}

// Set makes q run on conn; nil is the pool. It reports whether q is of a type
// whose connection can be set.
func Set(q Query, conn bun.IConn) bool {
	switch q := builder(q).(type) {
	case *bun.InsertQuery:
		q.Conn(conn)
	case *bun.UpdateQuery:
		q.Conn(conn)
	case *bun.DeleteQuery:
		q.Conn(conn)
	case *bun.RawQuery:
		q.Conn(conn)
	case *bun.SelectQuery:
		q.Conn(conn)
	case *bun.MergeQuery:
		q.Conn(conn)
	case *bun.TruncateTableQuery:
		q.Conn(conn)
	default:
		return false
	}
	return true
}

// builder returns the builder that q is made of: Count and Exists hand a struct
// of Bun's own to the hooks, which embeds the SELECT that they run.
func builder(q Query) Query {
	v := reflect.ValueOf(q)
	if v.Kind() != reflect.Struct {
		return q
	}
	if f := v.FieldByName("SelectQuery"); f.IsValid() && f.CanInterface() {
		if s, ok := f.Interface().(*bun.SelectQuery); ok && s != nil {
			return s
		}
	}
	return q
}

// WritesElsewhere reports whether db has a connection resolver that may send a
// write to another database than db.DB, and the resolver's type. The resolver
// that comes with Bun (bunexp.ReadWriteConnResolver) never does.
func WritesElsewhere(db *bun.DB) (resolver string, elsewhere bool) {
	v := reflect.ValueOf(db).Elem()
	index, ok := resolverIndex[v.Type()]
	if !ok {
		return "", false
	}
	field := v.FieldByIndex(index)
	if field.Kind() != reflect.Interface || field.IsNil() {
		return "", false
	}
	typ := field.Elem().Type()
	const own = "*bunexp.ReadWriteConnResolver"
	return typ.String(), typ.String() != own
}

// Hooks returns the query hooks of db, or nothing where this version of Bun keeps
// them in another place.
func Hooks(db *bun.DB) []bun.QueryHook {
	index, ok := hooksIndex[reflect.TypeFor[bun.DB]()]
	if !ok {
		return nil
	}
	field := reflect.ValueOf(db).Elem().FieldByIndex(index)
	if field.Type() != reflect.TypeFor[[]bun.QueryHook]() {
		return nil
	}
	return slices.Clone(*reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Interface().(*[]bun.QueryHook))
}
