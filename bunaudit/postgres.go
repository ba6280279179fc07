package bunaudit

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/sqlstate"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/internal/value"
)

// postgres captures on PostgreSQL. The images are made by the server: what an
// event says of a value does not pass through a driver's idea of its type.
type postgres struct{ dialect schema.Dialect }

func (postgres) inlines() bool { return true }

func (postgres) begin() string { return "BEGIN" }

func (postgres) patient(ctx context.Context) context.Context { return ctx }

func (postgres) savepoint(name string) string { return name }

func (postgres) aborts() bool { return true }

// inTransaction sets a parameter that lasts to the end of the transaction, and
// looks whether it is still set one statement later. The transaction's id is
// kept in it.
func (p postgres) inTransaction(ctx context.Context, u *unit) (bool, error) {
	const set = "SELECT set_config('bunaudit.tx', COALESCE(NULLIF(current_setting('bunaudit.tx', true), ''), ?), true)"
	const get = "SELECT COALESCE(current_setting('bunaudit.tx', true), '')"
	var id, kept string
	if err := bun.NewRawQuery(u.db, set, u.id).Conn(u.conn).Scan(ctx, &id); err != nil {
		return false, err
	}
	if err := bun.NewRawQuery(u.db, get).Conn(u.conn).Scan(ctx, &kept); err != nil {
		return false, err
	}
	if kept == "" {
		return false, nil
	}
	u.id = kept
	return true, nil
}

func (postgres) uncapturable(_ *plan, _ string, s sqltext.Statement) string {
	return uncapturable(s)
}

func (p postgres) schemaOf(ctx context.Context, u *unit, table string) (string, error) {
	const query = `SELECT COALESCE((SELECT n.nspname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.oid = to_regclass(?)), '')`
	var schema string
	err := bun.NewRawQuery(u.db, query, string(p.quote(nil, table))).Conn(u.conn).Scan(ctx, &schema)
	return schema, err
}

func (postgres) commits(sqltext.Verb) bool { return false }

func (postgres) claim(string, *plan) string { return "" }

func (postgres) singleWriter() bool { return false }

func (postgres) snapshots() bool { return true }

func (postgres) lock(qualifier string, keyChanges bool) string {
	if keyChanges {
		return " FOR UPDATE OF " + qualifier
	}
	return " FOR NO KEY UPDATE OF " + qualifier
}

func (postgres) inReturning(qualifier string) string { return qualifier }

// fate: an upsert locks the row that it finds, and the lock is still to be seen
// on the new version.
func (postgres) fate(verb sqltext.Verb, qualifier string) string {
	if verb == sqltext.Merge {
		return "merge_action()"
	}
	return "CASE WHEN " + qualifier + ".xmax = 0 THEN 'INSERT' ELSE 'UPDATE' END"
}

// canMerge: MERGE has a RETURNING clause since PostgreSQL 17.
func (postgres) canMerge(ctx context.Context, u *unit) (string, error) {
	var version int
	err := bun.NewRawQuery(u.db, "SELECT current_setting('server_version_num')::int").Conn(u.conn).Scan(ctx, &version)
	if err == nil && version < 170000 {
		return "MERGE can be recorded on PostgreSQL 17 and later", nil
	}
	return "", err
}

func (p postgres) columns(ctx context.Context, u *unit, pl *plan, table string) (*columns, error) {
	types, err := value.LoadPostgresTypes(ctx, u.conn, table)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			return nil, &statementError{cause}
		}
		return nil, fmt.Errorf("%w %s", errNoTable, table)
	}
	c := layOut(pl.model)
	if err := p.loadRelation(ctx, u, c, table, string(pl.model.Bun.SQLName)); err != nil {
		return nil, err
	}
	for _, f := range pl.model.Identity {
		typ, ok := types[f.Name]
		if !ok {
			return nil, model.MissingColumn(f, table)
		}
		col := p.keyColumn(string(f.SQLName))
		col.assigned = func(b []byte, expression string) []byte {
			return append(b, "CAST(("+expression+"\n) AS "+typ.Name+")::text"...)
		}
		c.identity = append(c.identity, col)
	}
	for _, f := range c.fields {
		typ, ok := types[f.Name]
		if !ok {
			return nil, model.MissingColumn(f, table)
		}
		c.image = append(c.image, column{
			expr: func(b []byte, qualified string) []byte {
				return append(value.AppendPostgresExpr(b, typ, qualified), "::text"...)
			},
			name: string(f.SQLName),
			json: func(v driver.Value) (json.RawMessage, error) { return value.AppendPostgres(nil, v) },
		})
	}
	c.inline, err = loadInline(ctx, u, pl.model, c, types, table)
	return c, err
}

func (p postgres) keyColumn(name string) column {
	return column{
		expr:    func(b []byte, qualified string) []byte { return append(append(b, qualified...), "::text"...) },
		name:    name,
		literal: p.literal,
	}
}

// loadRelation finds out what the statement's table is, and whether it is the
// model's.
func (postgres) loadRelation(ctx context.Context, u *unit, c *columns, table, models string) error {
	const query = "SELECT COALESCE(oid = to_regclass(?), false), relkind FROM pg_class WHERE oid = to_regclass(?)"
	var kind string
	if err := bun.NewRawQuery(u.db, query, models, table).Conn(u.conn).Scan(ctx, &c.isModels, &kind); err != nil {
		return err
	}
	switch kind {
	case "r":
		c.relation = ordinary
	case "p":
		c.relation = partitioned
	default:
		c.relation = remote
	}
	return nil
}

// errNoTable says that the table that a statement names isn't there.
var errNoTable = errors.New("there is no table")

// literal makes a literal of an unknown type, which PostgreSQL reads as the
// type of the column that it is compared with.
func (p postgres) literal(v driver.Value) (string, error) {
	switch v := v.(type) {
	case string:
		return string(p.dialect.AppendString(nil, v)), nil
	case []byte:
		return string(p.dialect.AppendString(nil, string(v))), nil
	}
	return "", fmt.Errorf("the driver delivered a %T for text", v)
}

func (postgres) in(b []byte, names []string, rows []identity) []byte {
	return appendIn(b, names, rows, "")
}

// lastInsertID fails as PostgreSQL's drivers do.
func (postgres) lastInsertID(context.Context, *unit) (int64, error) {
	return driver.RowsAffected(0).LastInsertId()
}

func (p postgres) quote(b []byte, name string) []byte {
	return dialect.AppendName(b, name, p.dialect.IdentQuote())
}

// misfit looks for class 42 of PostgreSQL's error codes: syntax error or access
// rule violation.
func (postgres) misfit(err error) bool { return strings.HasPrefix(sqlstate.Of(err), "42") }
