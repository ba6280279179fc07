package oracle

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"regexp"
	"strings"

	"github.com/uptrace/bun"
)

// statementKind is a way to write a statement. To let the program make a new
// one, add a line to kinds; where the audit refuses it today, say so with
// refused, and take the word away when it no longer does.
type statementKind struct {
	name   string
	weight int
	build  func(g *gen) statement // nil: this table or database has no such statement

	refused bool // has to be refused
	mayBe   bool // is refused or not, as the rows are
}

// statement is what is run: a query of one of Bun's builders, or text.
type statement interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
	String() string
}

// gen is what the building of one statement depends on; with the same seed it
// builds the same statement.
type gen struct {
	r      *rand.Rand
	t      *table
	tables []*table
	db     bun.IDB
	sql    flavour
	schema string // that the tables are in
}

func kinds() []statementKind {
	var all []statementKind
	for _, group := range [][]statementKind{insertKinds(), upsertKinds(), updateKinds(), keyKinds(), deleteKinds(), rawKinds(), mariadbKinds(), failingKinds(), refusedKinds()} {
		all = append(all, group...)
	}
	return all
}

// into is a query whose rows go to dest.
type into struct {
	statement
	dest any
}

func (q into) Exec(ctx context.Context, _ ...any) (sql.Result, error) {
	return q.statement.Exec(ctx, q.dest)
}

// asText is a statement that is given to the connection as text.
type asText struct {
	db   bun.IConn
	text string
}

func (q asText) Exec(ctx context.Context, _ ...any) (sql.Result, error) {
	return q.db.ExecContext(ctx, q.text)
}

func (q asText) String() string { return q.text }

// exec0 is a query whose Exec takes no destination.
type exec0 struct {
	q *bun.TruncateTableQuery
}

func (q exec0) Exec(ctx context.Context, _ ...any) (sql.Result, error) { return q.q.Exec(ctx) }

func (exec0) String() string { return "TRUNCATE, built" }

func (g *gen) pg() bool      { return g.sql == postgres{} }
func (g *gen) sqlite() bool  { return g.sql == sqlite{} }
func (g *gen) mariadb() bool { return g.sql == mariadb{} }

// own qualifies a column by the table that the statement writes to.
func (g *gen) own(column string) string {
	if g.mariadb() { // Bun's INSERT has no alias there
		return g.t.quoted() + "." + column
	}
	return "?TableAlias." + column
}

// name is the table's name in one of the ways in which SQL lets it be written.
func (g *gen) name() string {
	schema := g.sql.quote(g.schema)
	forms := []string{g.t.quoted(), g.t.quoted(), schema + "." + g.t.quoted(), schema + " . /* here */ " + g.t.quoted()}
	if g.mariadb() { // where names are told apart by case
		return pick(g.r, append(forms, "`"+g.t.name+"`")...)
	}
	if simple.MatchString(g.t.name) {
		forms = append(forms, g.t.name, strings.ToUpper(g.t.name), g.t.name[:1]+strings.ToUpper(g.t.name[1:]))
	}
	if g.pg() {
		forms = append(forms, "ONLY "+g.t.quoted())
	} else {
		forms = append(forms, "`"+g.t.name+"`", "["+g.t.name+"]")
		if len(g.t.name) == len([]rune(g.t.name)) { // others are not folded
			forms = append(forms, strings.ToUpper(g.t.quoted()))
		}
	}
	return pick(g.r, forms...)
}

// simple is a name that needs no quotes and may be written in any case.
var simple = regexp.MustCompile("^[a-z][a-z0-9]*$")

// where is a condition for some rows, with the columns unqualified.
func (g *gen) where() (string, []any) {
	key := g.t.key()
	switch g.r.IntN(9) {
	case 0:
		return "TRUE", nil
	case 1:
		return g.t.num + " > ?", []any{g.r.IntN(50)}
	case 2:
		return "length(" + g.t.text + ") < ?", []any{g.r.IntN(4)}
	case 3:
		first := "SELECT " + key + " FROM " + g.t.quoted() + " ORDER BY " + key + " LIMIT 2"
		if g.mariadb() { // which takes no LIMIT there
			first = "SELECT " + key + " FROM (" + first + ") AS few"
		}
		return key + " IN (" + first + ")", nil
	case 4:
		return g.sql.sometimes(), nil
	case 5:
		return "EXISTS (SELECT 1 FROM " + g.sql.derived(g.other()) + ")", nil
	default:
		return g.t.byKey(g.r)
	}
}

// other is a table of the program, perhaps the same.
func (g *gen) other() *table { return g.tables[g.r.IntN(len(g.tables))] }

// set is an assignment to a column, with the columns unqualified.
func (g *gen) set() (string, []any) {
	num, txt := g.t.num, g.t.text
	switch g.r.IntN(8) {
	case 0:
		return num + " = " + num + " + 1", nil
	case 1:
		return num + " = ?, " + txt + " = ?", []any{g.r.IntN(90), text(g.r)}
	case 2:
		return txt + " = " + g.sql.concat(txt, "?"), []any{pick(g.r, "", ".")}
	case 3:
		return num + " = (SELECT count(*) FROM " + g.sql.derived(g.t) + ")", nil
	case 4:
		return num + " = CASE WHEN " + num + " > 50 THEN 0 ELSE " + num + " END", nil
	case 5:
		if g.mariadb() {
			return num + " = 5, " + txt + " = 'five'", nil
		}
		return "(" + num + ", " + txt + ") = (SELECT 5, 'five')", nil
	case 6:
		return num + " = " + num + ", " + txt + " = " + txt, nil
	default:
		return txt + " = ?", []any{text(g.r)}
	}
}

// model is the statement's model without a value.
func (g *gen) model() any { return g.t.model }

// columns picks some columns for Column().
func (g *gen) columns() []string {
	n := 1 + g.r.IntN(3)
	var out []string
	for _, i := range g.r.Perm(len(g.t.writable)) {
		if len(out) < n {
			out = append(out, g.t.writable[i])
		}
	}
	return out
}
