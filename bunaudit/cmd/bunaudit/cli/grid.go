package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// gridRows is how many rows are aligned with one another: that needs memory.
const gridRows = 1000

// grid is a table for people, with a line of names at its head. Cells are cut and
// made printable. It writes once it has gridRows rows, and in the end: so that
// an error at the start is all that is printed.
type grid struct {
	w       *tabwriter.Writer
	columns []string
	rows    int

	// before is called each time before something is written. Nil: nothing is.
	before func()
}

func newGrid(out io.Writer, columns ...string) *grid {
	return &grid{w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), columns: columns}
}

// row adds a row, with a cell for each column.
func (g *grid) row(cells ...string) error {
	if g.rows == 0 {
		g.write(g.columns)
	}
	g.write(cells)
	if g.rows++; g.rows%gridRows > 0 {
		return nil
	}
	return g.flush()
}

// end writes what isn't yet written: the names alone where there are no rows.
func (g *grid) end() error {
	if g.rows == 0 {
		g.write(g.columns)
	}
	return g.flush()
}

// flush writes the rows that there are.
func (g *grid) flush() error {
	if g.before != nil {
		g.before()
	}
	return g.w.Flush()
}

func (g *grid) write(cells []string) {
	short := make([]string, len(cells))
	for i, s := range cells {
		short[i] = cell(s)
	}
	_, _ = fmt.Fprintln(g.w, strings.Join(short, "\t")) // flush has the error
}
