package oracle

import (
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
)

// flavour is a kind of database: how its SQL says what programs and triggers
// have to say, and how its rows are read.
type flavour interface {
	quote(name string) string
	// concat is an expression for texts in a row.
	concat(parts ...string) string
	// sometimes is a condition that holds for some rows, by chance.
	sometimes() string
	// derived is what stands in a FROM clause for a table that the statement may
	// write to, without a name of its own.
	derived(t *table) string

	// schema is a query for the name of the schema that tables are created in.
	schema() string
	// create makes the text that creates a table from the one that Bun has for it.
	create(q *bun.CreateTableQuery, t *table) string
	// setUp are statements that create the oracle's own tables, and its triggers
	// on the program's.
	setUp(tables []*table) []string
	// empty are statements that empty the tables, and the two records.
	empty(tables []*table) []string

	// row is an expression for a row of a table as a text that read reads; of is
	// the table's alias, or NEW or OLD.
	row(t *table, of string) string
	read(t *table, text string) (row, error)

	// mark is a statement with a placeholder that tells the triggers the name of
	// the transaction. It is undone with it.
	mark() string
	// kill are statements that end one of the other connections to the schema; none
	// where there is no server.
	kill() []string
	// others is a query for the number of other connections to the schema, or "" where
	// a closed connection has no business that is left.
	others() string
}

func flavourOf(db *bun.DB) flavour {
	switch db.Dialect().Name() {
	case dialect.PG:
		return postgres{}
	case dialect.MySQL:
		return mariadb{}
	default:
		return sqlite{}
	}
}
