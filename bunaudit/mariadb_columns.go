package bunaudit

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/internal/value"
)

// columns also looks whether the table can undo a change.
func (m mariadb) columns(ctx context.Context, u *unit, p *plan, table string) (*columns, error) {
	types, err := value.LoadMySQLTypes(ctx, u.conn, table)
	if err != nil {
		if m.misfit(err) {
			return nil, fmt.Errorf("%w %s", errNoTable, table)
		}
		return nil, &statementError{err}
	}
	if reason, err := m.engineRefusal(ctx, u, table); err != nil {
		return nil, &statementError{err}
	} else if reason != "" {
		return nil, &UncapturableError{Table: p.name, Reason: reason}
	}
	c := layOut(p.model)
	c.types = types
	var current string
	if err := bun.NewRawQuery(u.db, "SELECT COALESCE(DATABASE(), '')").Conn(u.conn).Scan(ctx, &current); err != nil {
		return nil, &statementError{err}
	}
	c.isModels = p.schema == "" && table == string(appendName(nil, sqltext.Name{Schema: current, Table: p.table}, m))
	typeOf := func(f *schema.Field) (value.MySQLType, error) {
		typ, ok := types[strings.ToLower(f.Name)]
		if !ok {
			return typ, model.MissingColumn(f, table)
		}
		return typ, nil
	}
	for i, f := range p.model.Identity {
		typ, err := typeOf(f)
		if err != nil {
			return nil, err
		}
		if typ.AutoIncrement {
			c.numbered = i + 1
		}
		c.identity = append(c.identity, m.identityColumn(string(f.SQLName), typ))
	}
	for _, f := range c.fields {
		typ, err := typeOf(f)
		if err != nil {
			return nil, err
		}
		kind := value.KindOf(f)
		c.image = append(c.image, column{
			expr: func(b []byte, qualified string) []byte { return value.AppendMySQLExpr(b, typ, qualified) },
			name: string(f.SQLName),
			json: func(v driver.Value) (json.RawMessage, error) { return value.EncodeMySQL(typ, kind, v) },
		})
	}
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		typ := types[name]
		c.all = append(c.all, column{
			expr: func(b []byte, qualified string) []byte { return value.AppendMySQLExpr(b, typ, qualified) },
			name: string(m.quote(nil, name)),
		})
	}
	return c, nil
}

// identityColumn compares instants as the session prints them, which is how the
// literals are read again.
func (m mariadb) identityColumn(name string, typ value.MySQLType) column {
	c := column{name: name, literal: textLiteral}
	switch {
	case typ.IsNumber():
		c.literal = numberLiteral
	case typ.IsBytes():
		c.literal = bytesLiteral
	}
	c.expr = func(b []byte, qualified string) []byte { return value.AppendMySQLExpr(b, typ.AsPrinted(), qualified) }
	c.assigned = func(b []byte, expression string) []byte {
		return value.AppendMySQLExpr(b, typ.AsPrinted(), string(typ.AppendAssigned(nil, expression)))
	}
	return c
}

// engineRefusal says why a change of the table could not be undone, or nothing.
func (mariadb) engineRefusal(ctx context.Context, u *unit, table string) (string, error) {
	var shown rowsInMemory
	if err := bun.NewRawQuery(u.db, "SHOW CREATE TABLE ?", bun.Safe(table)).Conn(u.conn).Scan(ctx, &shown); err != nil {
		return "", err
	}
	if len(shown.Rows) != 1 || len(shown.Columns) != 2 {
		return "it is a view, whose tables may not be able to undo a change", nil
	}
	ddl, err := driverText(shown.Rows[0][1])
	if err != nil {
		return "", err
	}
	text := string(ddl)
	const mark = "\n) ENGINE="
	if i := strings.LastIndex(text, mark); i >= 0 {
		engine, _, _ := strings.Cut(text[i+len(mark):], " ")
		engine, _, _ = strings.Cut(engine, "\n")
		if engine == "InnoDB" {
			return "", nil
		}
		return "the table's engine is " + engine + ", which can't undo a change: use InnoDB", nil
	}
	return "the table's engine is not known", nil
}
