package bunaudit

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/internal/value"
)

// sqlite captures on SQLite, which keeps a type with each value and none with
// the column: what a value means is the model's to say.
type sqlite struct{ dialect schema.Dialect }

func (sqlite) inlines() bool { return false }

// begin takes the write lock at once: a transaction that reads first and writes
// later fails where another one has written in between.
func (sqlite) begin() string { return "BEGIN IMMEDIATE" }

// patient: modernc.org/sqlite forgets to finalise a statement that is
// interrupted after its first row. It then holds its locks for as long as the
// process lives, and nobody else can write.
func (sqlite) patient(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func (sqlite) savepoint(name string) string { return name }

func (sqlite) aborts() bool { return false }

func (sqlite) inTransaction(ctx context.Context, u *unit) (bool, error) {
	// It waits for nothing, and stopped half-way it would leave a transaction
	// open on a connection that goes back to the pool.
	ctx = context.WithoutCancel(ctx)
	err := u.exec(ctx, "BEGIN")
	switch {
	case err == nil:
		return false, u.exec(ctx, "ROLLBACK")
	case strings.Contains(err.Error(), "within a transaction"):
		return true, nil
	}
	return false, err
}

// uncapturable refuses what follows from a conflict clause.
func (sqlite) uncapturable(p *plan, text string, s sqltext.Statement) string {
	modifier := strings.ToUpper(s.Modifier.In(text))
	switch {
	case isReplace(text, s) && len(s.Conflicts) > 0:
		return "it replaces the rows that it finds, and has ON CONFLICT as well"
	case isReplace(text, s):
		return ""
	case strings.Contains(modifier, "REPLACE"):
		return s.Verb.String() + " " + modifier + " can't be recorded yet"
	case strings.Contains(modifier, "FAIL"):
		return s.Verb.String() + " " + modifier + " leaves what it has changed when it fails"
	case s.Verb == sqltext.Update && strings.Contains(modifier, "IGNORE") && changesIdentity(p, s):
		return "UPDATE OR IGNORE leaves rows whose primary keys it can't change"
	}
	return uncapturable(s)
}

// schemaOf: temporary tables come first, then those of the main database.
func (sqlite) schemaOf(ctx context.Context, u *unit, table string) (string, error) {
	const query = `SELECT COALESCE((SELECT t.schema FROM pragma_table_list(?) AS t JOIN pragma_database_list AS d ON d.name = t.schema
	ORDER BY t.schema <> 'temp', d.seq LIMIT 1), '')`
	var schema string
	err := bun.NewRawQuery(u.db, query, table).Conn(u.conn).Scan(ctx, &schema)
	return schema, err
}

func (sqlite) commits(sqltext.Verb) bool { return false }

// claim is a write that changes nothing. It takes the lock that the statement
// would have taken first, had it not been read for.
func (sqlite) claim(target string, p *plan) string {
	name := string(p.model.Identity[0].SQLName)
	return "UPDATE " + target + " SET " + name + " = " + name + " WHERE 0"
}

func (sqlite) singleWriter() bool { return true }

func (sqlite) snapshots() bool { return false }

func (sqlite) lock(string, bool) string { return "" }

// inReturning: SQLite's RETURNING knows no alias, and no other table either.
func (sqlite) inReturning(string) string { return "" }

// fate: there is one writer.
func (sqlite) fate(sqltext.Verb, string) string { return "" }

// canMerge is not asked: SQLite has no MERGE, and Split says so.
func (sqlite) canMerge(context.Context, *unit) (string, error) { return "there is no MERGE", nil }

func (s sqlite) columns(_ context.Context, _ *unit, p *plan, _ string) (*columns, error) {
	c := layOut(p.model)
	for _, f := range p.model.Identity {
		col := s.keyColumn(surelyColumn(f))
		col.assigned = func(b []byte, expression string) []byte { return append(b, "+("+expression+"\n)"...) }
		c.identity = append(c.identity, col)
	}
	for _, f := range c.fields {
		kind := value.KindOf(f)
		c.image = append(c.image, column{
			expr: undeclared,
			name: surelyColumn(f),
			json: func(v driver.Value) (json.RawMessage, error) { return value.Encode(kind, v) },
		})
	}
	return c, nil
}

// surelyColumn quotes a column's name so that it can't be anything else: to SQLite
// "n" is the text n where there is no column of that name, which would go on
// record as the row's value.
func surelyColumn(f *schema.Field) string {
	return "`" + strings.ReplaceAll(f.Name, "`", "``") + "`"
}

func (s sqlite) keyColumn(name string) column {
	return column{expr: undeclared, name: name, literal: s.literal}
}

// undeclared selects a column as an expression, which has no declared type that
// a driver could convert the value to.
func undeclared(b []byte, qualified string) []byte { return append(append(b, '+'), qualified...) }

func (s sqlite) literal(v driver.Value) (string, error) {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return "", fmt.Errorf("a key can't be infinite")
		}
		return strconv.FormatFloat(v, 'e', 17, 64), nil
	case string:
		return string(s.dialect.AppendString(nil, v)), nil
	case []byte:
		return string(s.dialect.AppendBytes(nil, v)), nil
	case bool:
		return string(s.dialect.AppendBool(nil, v)), nil
	}
	return "", fmt.Errorf("the driver delivered a %T", v)
}

// in compares rows of several columns with VALUES: SQLite has no other form.
func (sqlite) in(b []byte, names []string, rows []identity) []byte {
	return appendIn(b, names, rows, "VALUES ")
}

func (sqlite) lastInsertID(ctx context.Context, u *unit) (id int64, err error) {
	err = bun.NewRawQuery(u.db, "SELECT last_insert_rowid()").Conn(u.conn).Scan(ctx, &id)
	return id, err
}

func (s sqlite) quote(b []byte, name string) []byte {
	return dialect.AppendName(b, name, s.dialect.IdentQuote())
}

func (sqlite) misfit(err error) bool {
	return strings.Contains(err.Error(), "no such column") || strings.Contains(err.Error(), "no such table")
}
