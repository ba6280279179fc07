// Package replay turns rows held in memory into a *sql.Rows.
//
// A statement with RETURNING has to be read to its end before the next one can
// run on the same connection, and its rows must not reach the caller before
// they are committed. So the recorder reads them into a [Result], finishes its
// work, and hands Bun a replay of them. Values pass through untouched: what
// comes out of the replay is what the driver delivered, so that Bun's scanners
// can't tell the difference.
package replay

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
)

// Result is a result set in memory.
type Result struct {
	Columns []string
	Types   []string // the database's names of the columns' types; may be empty
	Rows    [][]driver.Value
}

// Read reads rows to their end and closes them.
func Read(rows *sql.Rows) (*Result, error) {
	defer func() { _ = rows.Close() }()
	// Not rows.Columns: pgdriver gives that slice to the next query once the rows
	// are closed, which happens in another goroutine when the context ends.
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	r := &Result{Columns: make([]string, len(types)), Types: make([]string, len(types))}
	for i, t := range types {
		r.Columns[i], r.Types[i] = t.Name(), t.DatabaseTypeName()
	}
	dest := make([]any, len(types))
	for rows.Next() {
		// A scan into *any keeps the driver's own type.
		values := make([]any, len(types))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		row := make([]driver.Value, len(values))
		for i, v := range values {
			row[i] = v
		}
		r.Rows = append(r.Rows, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return r, rows.Close()
}

// Head returns r without its last n columns. The values are shared.
func (r *Result) Head(n int) *Result {
	keep := len(r.Columns) - n
	head := &Result{Columns: r.Columns[:keep], Types: r.Types[:keep], Rows: make([][]driver.Value, len(r.Rows))}
	for i, row := range r.Rows {
		head.Rows[i] = row[:keep:keep]
	}
	return head
}

// Replay returns the result as a *sql.Rows, which holds no goroutine and no
// connection to anything once it is closed.
func (r *Result) Replay(ctx context.Context) (*sql.Rows, error) {
	db := sql.OpenDB(connector{r})
	rows, err := db.QueryContext(ctx, "")
	// Rows that are open survive the closing of their pool; closing it at once
	// leaves nothing behind that would need an owner.
	return rows, errors.Join(err, db.Close())
}

type connector struct{ result *Result }

func (c connector) Connect(context.Context) (driver.Conn, error) { return conn(c), nil }
func (c connector) Driver() driver.Driver                        { return nil }

type conn connector

var errReadOnly = errors.New("replay: rows from memory only")

func (c conn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &rows{result: c.result}, nil
}
func (c conn) Prepare(string) (driver.Stmt, error) { return nil, errReadOnly }
func (c conn) Begin() (driver.Tx, error)           { return nil, errReadOnly }
func (c conn) Close() error                        { return nil }

type rows struct {
	result *Result
	next   int
}

func (r *rows) Columns() []string { return r.result.Columns }
func (r *rows) Close() error      { return nil }

func (r *rows) Next(dest []driver.Value) error {
	if r.next == len(r.result.Rows) {
		return io.EOF
	}
	copy(dest, r.result.Rows[r.next])
	r.next++
	return nil
}

func (r *rows) ColumnTypeDatabaseTypeName(i int) string { return r.result.Types[i] }
