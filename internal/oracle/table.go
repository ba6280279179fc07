package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// kind is how the values of a column are to be read.
type kind int

const (
	kindText kind = iota
	kindInt
	kindFloat
	kindReal // of four bytes
	kindNumeric
	kindBool
	kindTime
	kindBytes
	kindJSON
)

type column struct {
	name    string
	kind    kind
	key     bool
	tracked bool
	mask    string
}

// table is a table of the test: what the oracle has to know to judge, and the
// generator to write statements.
type table struct {
	name  string
	alias string
	sql   flavour
	model any // (*ledger)(nil)

	columns []column
	soft    string // the soft-delete column, or ""

	row   func(r *rand.Rand) any        // *ledger
	slice func(r *rand.Rand, n int) any // *[]*ledger
	check string                        // a constraint

	partitioned bool // not on SQLite; its keys are not changed, which moves rows: then PostgreSQL's triggers see no update

	num, text string                                // columns for expressions
	writable  []string                              // columns for Column()
	byKey     func(r *rand.Rand) (string, []any)    // a condition for one row
	rekey     func(r *rand.Rand) (string, []any)    // an assignment that changes the key, or nil
	rekeyAll  string                                // one that changes the keys of many
	values    func(r *rand.Rand) map[string]any     // for an insert of a map
	copy      func(r *rand.Rand) (cols, sel string) // for INSERT … SELECT
	conflict  string                                // the target of an upsert: the key
	unique    string                                // another one
}

func (t *table) quoted() string { return t.sql.quote(t.name) }

// key is the first column of the key, quoted, for subqueries and joins.
func (t *table) key() string {
	for _, c := range t.columns {
		if c.key {
			return t.sql.quote(c.name)
		}
	}
	return ""
}

func (t *table) lookup(name string) (column, bool) {
	for _, c := range t.columns {
		if c.name == name {
			return c, true
		}
	}
	return column{}, false
}

// cols reads a list of columns as in "id int key, name text, secret text redact,
// draft text -".
func cols(list string) []column {
	kinds := map[string]kind{"text": kindText, "int": kindInt, "float": kindFloat, "real": kindReal, "numeric": kindNumeric,
		"bool": kindBool, "time": kindTime, "bytes": kindBytes, "json": kindJSON}
	var out []column
	for _, item := range strings.Split(list, ",") {
		words := strings.Fields(item)
		c := column{name: words[0], kind: kinds[words[1]], tracked: true}
		if len(words) > 2 {
			switch words[2] {
			case "key":
				c.key, c.tracked = true, false
			case "-":
				c.tracked = false
			default:
				c.mask = words[2]
			}
		}
		out = append(out, c)
	}
	return out
}

// of sets the parts of t that depend on the Go type of its model.
func of[T any](t table, fill func(r *rand.Rand) T) *table {
	t.model = (*T)(nil)
	t.row = func(r *rand.Rand) any {
		v := fill(r)
		return &v
	}
	t.slice = func(r *rand.Rand, n int) any {
		rows := make([]*T, n)
		for i := range rows {
			v := fill(r)
			rows[i] = &v
		}
		return &rows
	}
	if t.alias == "" {
		t.alias = fmt.Sprintf("%T", *new(T))[len("oracle."):]
	}
	return &t
}
