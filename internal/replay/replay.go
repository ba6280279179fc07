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
	n := len(types)
	names, scanned := make([]string, 2*n), make([]any, 2*n)
	r := &Result{Columns: names[:n:n], Types: names[n:]}
	for i, t := range types {
		r.Columns[i], r.Types[i] = t.Name(), t.DatabaseTypeName()
	}
	values, dest := scanned[:n], scanned[n:]
	for i := range values {
		dest[i] = &values[i] // a scan into *any keeps the driver's own type
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		row := make([]driver.Value, n)
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

// Cut takes the last n columns off r.
func (r *Result) Cut(n int) {
	keep := len(r.Columns) - n
	r.Columns, r.Types = r.Columns[:keep], r.Types[:keep]
	for i, row := range r.Rows {
		r.Rows[i] = row[:keep:keep]
	}
}

// Player turns results into rows. Make one with [New], and close it; it is safe
// for concurrent use.
type Player struct{ db *sql.DB }

// New returns a player, which holds one goroutine, of database/sql's, until it
// is closed. Rows that are open then can still be read.
func New() *Player { return &Player{sql.OpenDB(connector{})} }

// Close ends the player.
func (p *Player) Close() error { return p.db.Close() }

// Play returns the result as a *sql.Rows.
func (p *Player) Play(ctx context.Context, r *Result) (*sql.Rows, error) {
	return p.db.QueryContext(ctx, "", r)
}

type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return conn{}, nil }
func (connector) Driver() driver.Driver                        { return nil }

type conn struct{}

var errReadOnly = errors.New("replay: rows from memory only")

// CheckNamedValue lets a result through as it is.
func (conn) CheckNamedValue(v *driver.NamedValue) error {
	if _, ok := v.Value.(*Result); !ok {
		return errReadOnly
	}
	return nil
}

func (conn) QueryContext(_ context.Context, _ string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) != 1 {
		return nil, errReadOnly
	}
	return &rows{result: args[0].Value.(*Result)}, nil
}
func (conn) Prepare(string) (driver.Stmt, error) { return nil, errReadOnly }
func (conn) Begin() (driver.Tx, error)           { return nil, errReadOnly }
func (conn) Close() error                        { return nil }

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
