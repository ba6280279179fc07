package retrieval

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/isnil"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// Query asks for events. Make one with [For], [ForTable] or [ForAll]; its
// methods change it and return it. It must not be used by several goroutines at
// once, but may be run more than once.
type Query[M any] struct{ query }

// query is what does not depend on the type of the model.
type query struct {
	db     bun.IDB
	events eventrow.Table
	name   string       // of the model or the table, for people
	table  string       // as in events; empty for all tables
	model  *model.Model // nil for a table without one
	err    error        // the first mistake

	conds  []cond
	keys   []string   // canonical
	forms  [][]string // of each key the texts that it may have in events, its own first
	keyed  bool
	fields []string // columns; nil for all
	timed  bool     // a condition bounds the time
	newest bool
	// numbered orders the result by number whatever the conditions: for who
	// goes through the changes of rows one by one.
	numbered bool
	counted  bool // nothing but the number of events is wanted
	limit    int
	offset   int
	after    *place // where the page before ended
}

// cond is a condition on the row e of the table of events.
type cond struct {
	sql  string
	args []any
}

// For asks for the history of the model M, a struct with audit tags, in the
// table audit_events of db. db may be a transaction.
func For[M any](db bun.IDB) *Query[M] {
	typ := reflect.TypeFor[M]()
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	q := &Query[M]{newQuery(db, typ.String())}
	if q.err != nil {
		return q
	}
	if typ.Kind() != reflect.Struct {
		q.fail(fmt.Errorf("retrieval: %s: %w", typ, ErrUnknownModel))
		return q
	}
	m, err := model.Of(db.Dialect().Tables().Get(typ))
	switch {
	case err != nil:
		q.fail(fmt.Errorf("retrieval: %w", err))
	case m == nil:
		q.fail(fmt.Errorf("retrieval: %s: %w: it has no audit tag", typ, ErrUnknownModel))
	default:
		q.name, q.table, q.model = m.Label, m.Table, m
	}
	return q
}

// ForTable asks for the history of a table by its name, as events have it: the
// name that the model declared, with its schema where the model declared one.
// Values are JSON, see docs/event-format.md. A table that was never audited has
// no events; that is no error.
func ForTable(db bun.IDB, table string) *Query[sink.Values] {
	q := &Query[sink.Values]{newQuery(db, table)}
	q.table = table
	return q
}

// ForAll asks for the history of every table: what somebody did, say, wherever
// it was. Values are JSON, as with [ForTable]. It takes no conditions on keys,
// which are those of a table.
func ForAll(db bun.IDB) *Query[sink.Values] {
	return &Query[sink.Values]{newQuery(db, "all tables")}
}

func newQuery(db bun.IDB, name string) query {
	q := query{db: db, name: name, events: eventrow.Table{Name: eventrow.DefaultTable}}
	if isnil.Of(db) {
		q.fail(errors.New("retrieval: the database is nil"))
		return q
	}
	switch d := db.Dialect().Name(); d {
	case dialect.PG, dialect.SQLite, dialect.MySQL:
	default:
		q.fail(fmt.Errorf("retrieval: the dialect %s is not supported: use PostgreSQL, SQLite, MariaDB or MySQL", d))
	}
	return q
}

func (q *query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

func (q *query) where(sql string, args ...any) { q.conds = append(q.conds, cond{sql, args}) }

// explain adds to an error of a query for events what to do where there is no table
// of them.
func (q *query) explain(err error) error {
	return q.events.Explain(err, ", or name the one that there is by From and InSchema")
}

// From sets the table of events, by default audit_events: the name that
// sqlsink.Table was given.
func (q *Query[M]) From(table string) *Query[M] {
	q.events.Name = table
	return q.checkTable()
}

// InSchema sets the schema of the table of events, by default none: the one
// that sqlsink.Schema was given.
func (q *Query[M]) InSchema(schema string) *Query[M] {
	q.events.Schema = schema
	return q.checkTable()
}

func (q *Query[M]) checkTable() *Query[M] {
	if err := q.events.Validate(); err != nil {
		q.fail(fmt.Errorf("retrieval: table of events: %w", err))
	}
	return q
}

// Field keeps the changes of these fields, each given by its column's name or
// its name in Go; called again it adds further ones. [Query.Events] gives the
// events that have a change of one of them, whole. A field that the model does
// not track is an [*UnknownFieldError]; one that it no longer has can be asked
// for through [ForTable].
func (q *Query[M]) Field(names ...string) *Query[M] {
	if q.fields == nil {
		q.fields = []string{}
	}
	for _, name := range names {
		column, ok := q.column(name)
		if !ok {
			q.fail(&UnknownFieldError{Model: q.name, Field: name, Known: q.columns()})
		}
		q.fields = append(q.fields, q.names(column)...)
	}
	return q
}

// OldestFirst orders the result as it happened. It is the default.
func (q *Query[M]) OldestFirst() *Query[M] {
	q.newest = false
	return q
}

// NewestFirst orders the result from the last to the first.
func (q *Query[M]) NewestFirst() *Query[M] {
	q.newest = true
	return q
}

// Limit ends the result after n events, or after n changes where the query ends
// with [Query.Changes]. 0, the default, means no limit. [Query.Count] ignores it.
func (q *Query[M]) Limit(n int) *Query[M] {
	if n < 0 {
		q.fail(errors.New("retrieval: the limit is negative"))
	}
	q.limit = n
	return q
}

// Offset leaves out the first n events, or changes where the query ends with
// [Query.Changes]. [Query.Count] ignores it.
func (q *Query[M]) Offset(n int) *Query[M] {
	if n < 0 {
		q.fail(errors.New("retrieval: the offset is negative"))
	}
	q.offset = n
	return q
}

// Between keeps what happened from the time since on and before the time
// until. A zero time leaves that end open. Unless the query names keys, its
// result is ordered by time.
func (q *Query[M]) Between(since, until time.Time) *Query[M] {
	return q.Since(since).Until(until)
}

// Since keeps what happened at that time or later. The zero time changes
// nothing.
func (q *Query[M]) Since(t time.Time) *Query[M] {
	if !t.IsZero() {
		q.timed = true
		q.where("e.time >= ?", eventrow.NewTime(ceil(t)))
	}
	return q
}

// Until keeps what happened before that time. The zero time changes nothing.
func (q *Query[M]) Until(t time.Time) *Query[M] {
	if !t.IsZero() {
		q.timed = true
		q.where("e.time < ?", eventrow.NewTime(ceil(t)))
	}
	return q
}

// ceil rounds up to the microseconds that events have, so that comparing with
// the result is comparing with t.
func ceil(t time.Time) time.Time {
	if c := t.Truncate(time.Microsecond); c.Before(t) {
		t = c.Add(time.Microsecond)
	}
	return bounded(t)
}

// bounded leaves times in the years that every database takes, and that are
// compared as texts: nothing happened before them, nor after.
func bounded(t time.Time) time.Time {
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}
