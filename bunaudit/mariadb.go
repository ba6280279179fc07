package bunaudit

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// mariadb captures on MariaDB, in ways of its own: its UPDATE has no RETURNING
// clause, its upsert finds rows by any unique index, and REPLACE deletes some.
// See mariadb_capture.go.
//
// Bun's dialect is the one for MySQL too, which has no RETURNING at all. A MySQL
// server is told by its version, and refused.
type mariadb struct {
	dialect schema.Dialect
	// foundRows is whether the driver counts rows that were found for rows that
	// were changed: 0 unknown, 1 no, 2 yes. It is a setting of the pool.
	foundRows *atomic.Int32
	// savepoints counts them, so that each has a name of its own.
	savepoints *atomic.Int64
}

func newMariaDB(d schema.Dialect) mariadb {
	return mariadb{dialect: d, foundRows: new(atomic.Int32), savepoints: new(atomic.Int64)}
}

func (mariadb) inlines() bool { return false }

func (mariadb) begin() string { return "BEGIN" }

func (mariadb) patient(ctx context.Context) context.Context { return ctx }

func (m mariadb) savepoint(name string) string {
	return name + "_" + strconv.FormatInt(m.savepoints.Add(1), 10)
}

// aborts: most errors end the statement alone. One that ends the transaction, a
// deadlock say, takes its savepoints with it, and then the unit gives it up.
func (mariadb) aborts() bool { return false }

func (mariadb) inTransaction(ctx context.Context, u *unit) (bool, error) {
	var open int
	err := bun.NewRawQuery(u.db, "SELECT @@in_transaction").Conn(u.conn).Scan(ctx, &open)
	return open == 1, err
}

// uncapturable says what can't be recorded whatever the table is like.
func (m mariadb) uncapturable(p *plan, text string, s sqltext.Statement) string {
	modifier := strings.ToUpper(s.Modifier.In(text))
	switch s.Verb {
	case sqltext.Insert:
		if strings.Contains(modifier, "DELAYED") {
			return "INSERT DELAYED is carried out later"
		}
		return ""
	case sqltext.Replace:
		if strings.Contains(modifier, "DELAYED") {
			return "REPLACE DELAYED is carried out later"
		}
		return ""
	case sqltext.Update:
		if _, reason := updatedTable(p, m, text, s); reason != "" || !changesIdentity(p, s) {
			return reason
		}
		return keyChangeRefusal(p, text, s)
	case sqltext.Delete:
		if s.MultiTable {
			return "it deletes by way of several tables: select the keys first, and delete by them"
		}
		if strings.Contains(modifier, "IGNORE") {
			return "DELETE IGNORE leaves rows that it can't delete"
		}
		return ""
	case sqltext.Truncate:
		return "TRUNCATE commits by itself on MariaDB, so that its event could not stand or fall with it: " +
			"use DELETE without a condition"
	}
	return s.Verb.String() + " can't be recorded yet"
}

// keyChangeRefusal says why the keys that an update sets can't be foretold:
// MariaDB carries its assignments out one after the other, so that a later one
// sees what an earlier one has set.
func keyChangeRefusal(p *plan, text string, s sqltext.Statement) string {
	if s.MultiTable {
		return "it joins other tables and changes primary keys"
	}
	if strings.Contains(strings.ToUpper(s.Modifier.In(text)), "IGNORE") {
		return "UPDATE IGNORE leaves rows whose primary keys it can't change"
	}
	var earlier []string
	for _, a := range s.Assignments {
		if p.identityAt(a.Columns[0]) >= 0 {
			words := strings.FieldsFunc(a.Expr.In(text), func(r rune) bool {
				return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$'
			})
			for _, column := range earlier {
				if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, column) }) {
					return "it sets a primary key to something that it has set before: set the key first"
				}
			}
		}
		earlier = append(earlier, a.Columns...)
	}
	return ""
}

// schemaOf is not asked: an UPDATE with common table expressions is refused.
func (mariadb) schemaOf(context.Context, *unit, string) (string, error) { return "", nil }

func (mariadb) commits(verb sqltext.Verb) bool { return verb == sqltext.Truncate }

func (mariadb) claim(string, *plan) string { return "" }

func (mariadb) singleWriter() bool { return false }

func (mariadb) snapshots() bool { return false }

// lock: a plain SELECT would see the transaction's snapshot, where the statement
// itself sees the latest rows.
func (mariadb) lock(string, bool) string { return " FOR UPDATE" }

func (mariadb) inReturning(string) string { return "" }

func (mariadb) fate(sqltext.Verb, string) string { return "" }

// canMerge is not asked: MariaDB has no MERGE, and Split says so.
func (mariadb) canMerge(context.Context, *unit) (string, error) { return "there is no MERGE", nil }

// truncated is not asked: TRUNCATE is refused.
func (mariadb) truncated(context.Context, *unit, []sqltext.Name, bool) ([]sqltext.Name, error) {
	return nil, nil
}

// keyColumn is not asked: an upsert notes the rows that it finds.
func (mariadb) keyColumn(string) column { return column{} }

func (mariadb) in(b []byte, names []string, rows []identity) []byte {
	return appendIn(b, names, rows, "")
}

func (mariadb) lastInsertID(ctx context.Context, u *unit) (id int64, err error) {
	err = bun.NewRawQuery(u.db, "SELECT LAST_INSERT_ID()").Conn(u.conn).Scan(ctx, &id)
	return id, err
}

func (m mariadb) quote(b []byte, name string) []byte {
	return dialect.AppendName(b, name, m.dialect.IdentQuote())
}

// misfit knows the driver's errors by their texts, since they have no method for
// their numbers: ambiguous column, unknown column, syntax error, no such table.
func (mariadb) misfit(err error) bool {
	for _, code := range []string{"Error 1052 ", "Error 1054 ", "Error 1064 ", "Error 1146 "} {
		if strings.Contains(err.Error(), code) {
			return true
		}
	}
	return false
}

// textLiteral is a literal of a text that is read alike in every sql_mode.
func textLiteral(v driver.Value) (string, error) {
	text, err := driverText(v)
	if err != nil {
		return "", err
	}
	return "_utf8mb4 X'" + hex.EncodeToString(text) + "'", nil
}

func bytesLiteral(v driver.Value) (string, error) {
	text, err := driverText(v)
	if err != nil {
		return "", err
	}
	return "X'" + hex.EncodeToString(text) + "'", nil
}

// numberLiteral takes nothing but what can stand in a number.
func numberLiteral(v driver.Value) (string, error) {
	text, err := driverText(v)
	if err != nil {
		return "", err
	}
	if strings.Trim(string(text), "0123456789.eE+-") != "" || len(text) == 0 {
		return "", errors.New("the database delivered no number")
	}
	return string(text), nil
}

func driverText(v driver.Value) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	return nil, fmt.Errorf("the driver delivered a %T for a binary string", v)
}
