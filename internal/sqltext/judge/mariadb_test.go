package judge

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// mariadb executes statements and takes them back.
type mariadb struct {
	conn *sql.Conn
}

var mariadbTables = []string{"t", "u", "update", "it's"}

// openMariaDB connects to a database of one's own, whose tables it replaces.
func openMariaDB(t *testing.T) *mariadb {
	t.Helper()
	dsn := os.Getenv("SQLTEXT_MARIADB")
	if dsn == "" {
		t.Skip("SQLTEXT_MARIADB holds no DSN of a MariaDB database")
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &mariadb{conn}
	setup := []string{"SET sql_mode = ''", "SET max_statement_time = 2"}
	for _, name := range mariadbTables {
		setup = append(setup, fmt.Sprintf("DROP TABLE IF EXISTS `%s`", name),
			fmt.Sprintf("CREATE TABLE `%s` (a varchar(200) UNIQUE, b varchar(200), `from` varchar(200), `set` varchar(200), conflict varchar(200)) ENGINE = InnoDB", name),
			fmt.Sprintf("INSERT INTO `%s` VALUES ('1', '2', '3', '4', '5'), ('x', 'y', 'z', '', NULL), ('it''s', 'b', 'WHERE', ';', '1')", name))
	}
	for _, text := range setup {
		if _, err := conn.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return m
}

// run returns what a statement returns, and the rows of all tables after it.
func (m *mariadb) run(text string) (returned []string, tables map[string][]string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := m.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return nil, nil, err
	}
	defer m.conn.ExecContext(ctx, "ROLLBACK")
	if returned, err = m.rows(ctx, text); err != nil {
		return nil, nil, err
	}
	tables = map[string][]string{}
	for _, name := range mariadbTables {
		if tables[name], err = m.rows(ctx, fmt.Sprintf("SELECT * FROM `%s`", name)); err != nil {
			return nil, nil, err
		}
	}
	return returned, tables, nil
}

func (m *mariadb) rows(ctx context.Context, text string) (list []string, err error) {
	rows, err := m.conn.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		list = append(list, fmt.Sprint(values))
	}
	slices.Sort(list)
	return list, rows.Err()
}

// mariadbGenerator writes statements of MariaDB.
type mariadbGenerator struct{ generator }

func (g *mariadbGenerator) gap() string {
	if g.chance(85) {
		return " "
	}
	return pick(&g.generator, "\n", "\t", " /* ; ' WHERE */ ", " # it's; FROM\n", " -- \"\n", " --\n", "/**/", " /* /* */ ")
}

func (g *mariadbGenerator) join(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(g.gap())
		}
		b.WriteString(part)
	}
	return b.String()
}

func (g *mariadbGenerator) table() string {
	return pick(&g.generator, "t", "u", "`t`", "`update`", "`it's`", "u")
}

func (g *mariadbGenerator) column() string {
	return pick(&g.generator, "a", "b", "`from`", "`set`", "conflict", "`a`", "B")
}

func (g *mariadbGenerator) expr(depth int) string {
	p := &g.generator
	if depth <= 0 || g.chance(30) {
		return pick(p, g.column(), g.column(), "1", "'x'", "'it''s'", `'it\'s'`, `'\\'`, `';'`, `"dq ' x"`, `"a""b"`, "NULL", "1.5", ".5", "1e1", "x'31'", "_utf8'x'", "N'x'", "TRUE", "'a' 'b'", "'-- '", "'/*'", "0x31", "'#'")
	}
	e := func() string { return g.expr(depth - 1) }
	switch g.Intn(14) {
	case 0, 1:
		return g.join(e(), pick(p, "=", "<>", "+", "-", "--", "<=>", "||", "&&", "LIKE", "AND", "or", "XOR", "%", "DIV", "NOT LIKE", "RLIKE"), e())
	case 2:
		return g.join("(", e(), ")")
	case 3:
		return g.join(g.kw("CASE"), g.kw("WHEN"), e(), g.kw("THEN"), e(), g.kw("ELSE"), e(), g.kw("END"))
	case 4:
		return g.join("(", g.query(depth-1), pick(p, "LIMIT 1", "limit 1"), ")")
	case 5:
		return g.join("REPLACE(", e(), ",", e(), ",", e(), ")")
	case 6:
		return g.join("INSERT(", e(), ", 1, 1,", e(), ")")
	case 7:
		return g.join("SUBSTRING(", e(), g.kw("FROM"), "1", g.kw("FOR"), "2", ")")
	case 8:
		return g.join("TRIM(", g.kw("BOTH"), "'x'", g.kw("FROM"), e(), ")")
	case 9:
		return g.join("EXISTS (", g.query(depth-1), ")")
	case 10:
		return g.join("IF(", e(), ",", e(), ",", e(), ")")
	case 11:
		return g.join("CONVERT(", e(), g.kw("USING"), "utf8)")
	case 12:
		return g.join(e(), g.kw("COLLATE"), "utf8mb4_bin")
	}
	return g.join(e(), g.kw("IN"), "(", e(), ",", e(), ")")
}

func (g *mariadbGenerator) query(depth int) string {
	p := &g.generator
	s := g.join(g.kw("SELECT"), pick(p, "", "DISTINCT", "STRAIGHT_JOIN"), g.expr(depth), pick(p, "", "AS `from`", "z"), g.kw("FROM"), g.table(), pick(p, "", "AS x", "y", "USE INDEX (a)"))
	if g.chance(25) {
		s = g.join(s, pick(p, "JOIN", "LEFT JOIN", "STRAIGHT_JOIN"), g.table(), g.kw("AS"), "w", g.kw("ON"), "w.a = '1'")
	}
	if g.chance(50) {
		s = g.join(s, g.kw("WHERE"), g.expr(depth))
	}
	if g.chance(10) {
		s = g.join(s, pick(p, "GROUP BY 1", "ORDER BY 1", "FOR UPDATE", "LOCK IN SHARE MODE", "UNION SELECT 1"))
	}
	return s
}

func (g *mariadbGenerator) sets(prefix string) string {
	return g.list(3, func() string {
		return g.join(prefix+g.column(), pick(&g.generator, "=", "=", ":="), pick(&g.generator, g.expr(2), g.expr(2), "DEFAULT"))
	})
}

func (g *mariadbGenerator) tail(returning bool) string {
	s := ""
	if g.chance(75) {
		s = g.join(g.kw("WHERE"), g.expr(3))
	}
	if g.chance(25) {
		s = g.join(s, g.kw("ORDER"), g.kw("BY"), "a", pick(&g.generator, "", "DESC"))
		if g.chance(60) {
			s = g.join(s, g.kw("LIMIT"), "2")
		}
	}
	if returning {
		s = g.join(s, g.returning())
	}
	return s
}

func (g *mariadbGenerator) returning() string {
	if g.chance(60) {
		return ""
	}
	return g.join(g.kw("RETURNING"), pick(&g.generator, "*", g.list(2, func() string { return g.join(g.expr(1), pick(&g.generator, "", "AS `x`")) })))
}

func (g *mariadbGenerator) write() string {
	p := &g.generator
	switch g.Intn(8) {
	case 0, 1:
		return g.join(g.kw("UPDATE"), pick(p, "", "IGNORE", "LOW_PRIORITY IGNORE"), g.table(), pick(p, "", "AS x", "y"), pick(p, "", "", "FORCE INDEX (a)"), g.kw("SET"), g.sets(""), g.tail(false))
	case 2, 3:
		return g.join(g.kw("DELETE"), pick(p, "", "QUICK", "IGNORE"), g.kw("FROM"), g.table(), g.tail(true))
	case 4:
		return g.join(g.kw("UPDATE"), pick(p, "t AS x JOIN u AS y ON x.a = y.a", "t x, u y", "(t x, u y)", "t x LEFT JOIN (u AS y, `update`) USING (a)", "u y STRAIGHT_JOIN t x"), g.kw("SET"), g.sets(pick(p, "x.", "y.")))
	case 5:
		return pick(p, "DELETE x FROM t AS x JOIN u USING (a)", "DELETE FROM x, u USING t x CROSS JOIN u WHERE x.b", "DELETE t.*, `it's` FROM t, `it's`", "DELETE FROM t USING t")
	}
	source := g.query(2)
	columns := "(" + g.column() + ")"
	switch g.Intn(4) {
	case 0, 1:
		source = g.join(pick(p, "VALUES", "VALUE"), g.list(2, func() string { return g.join("(", pick(p, g.expr(2), "'1'", "'x'"), ")") }))
	case 2:
		source, columns = g.join(g.kw("SET"), g.sets("")), ""
	}
	verb := pick(p, g.kw("INSERT"), g.kw("INSERT"), "INSERT IGNORE", g.kw("REPLACE"))
	s := g.join(verb, pick(p, g.kw("INTO"), ""), g.table(), columns, source)
	if verb != "REPLACE" && g.chance(45) {
		s = g.join(s, g.kw("ON"), g.kw("DUPLICATE"), g.kw("KEY"), g.kw("UPDATE"), g.list(2, func() string { return g.join(g.column(), "=", pick(p, "VALUES(a)", g.expr(1))) }))
	}
	return g.join(s, g.returning())
}

func TestMariaDBDoesTheSameWithWhatSplitTakesApart(t *testing.T) {
	m := openMariaDB(t)
	_, before, err := m.run("SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	n := number("SQLTEXT_JUDGE", 5_000)
	g := &mariadbGenerator{generator{Rand: rand.New(rand.NewSource(int64(number("SQLTEXT_SEED", 1))))}}
	var c count
	reasons, examples := map[string]int{}, map[string]string{}
	for range n {
		text := g.write()
		if g.chance(40) {
			text = g.mutate(text)
		}
		c.texts++
		returned, after, err := m.run(text)
		if err != nil {
			continue
		}
		c.valid++
		names, certain := sqltext.Targets(sqltext.MySQL, text)
		wrote := 0
		for table, rows := range after {
			if slices.Equal(rows, before[table]) {
				continue
			}
			wrote++
			if certain && !slices.ContainsFunc(names, func(n sqltext.Name) bool { return n.Is(sqltext.MySQL, "", table) }) {
				// DELETE names aliases; the tables behind them are named as well.
				t.Errorf("Targets(%q) = %v, MariaDB changed %s", text, names, table)
			}
			if h := sqltext.Glance(sqltext.MySQL, text); h.Certain && !h.Target.Is(sqltext.MySQL, "", table) || !h.Writes {
				t.Errorf("Glance(%q) = %+v, MariaDB changed %s", text, h, table)
			}
		}
		s, err := sqltext.Split(sqltext.MySQL, text)
		if err != nil {
			if wrote > 0 {
				reason := err.(*sqltext.Error).Reason
				c.refused++
				reasons[reason]++
				if old := examples[reason]; old == "" || len(text) < len(old) {
					examples[reason] = text
				}
			}
			continue
		}
		c.split++
		if s.MultiTable && s.Verb == sqltext.Delete {
			c.several++
			continue
		}
		again := rebuildMariaDB(text, s)
		returned2, after2, err := m.run(again)
		if err != nil || !slices.Equal(returned, returned2) {
			t.Errorf("%q\nput together again as\n%q\nreturns %q and not %q: %v", text, again, returned2, returned, err)
		}
		for table := range after {
			if !slices.Equal(after[table], after2[table]) {
				t.Errorf("%q\nput together again as\n%q\ndoes not the same to %s", text, again, table)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%+v", c)
	for reason, n := range reasons {
		t.Logf("refused %d: %s, as in %q", n, reason, examples[reason])
	}
	if c.split < n/10 {
		t.Errorf("too few statements taken apart: %+v", c)
	}
}

func rebuildMariaDB(text string, s sqltext.Statement) string {
	var b strings.Builder
	put := func(before string, span sqltext.Span, after string) {
		if !span.Empty() {
			b.WriteString(before + span.In(text) + after + "\n")
		}
	}
	sets := func(list []sqltext.Assignment) {
		for i, a := range list {
			if i > 0 {
				b.WriteString(", ")
			}
			if expr := a.Expr.In(text); strings.EqualFold(expr, "default") || strings.EqualFold(expr, "ignore") { // words instead of an expression
				b.WriteString(a.Left.In(text) + " = " + expr)
			} else {
				b.WriteString(a.Left.In(text) + " = (" + expr + ")")
			}
		}
		b.WriteString("\n")
	}
	put("", s.VerbSpan, "")
	put("", s.Modifier, "")
	switch s.Verb {
	case sqltext.Insert, sqltext.Replace:
		b.WriteString("INTO ")
	case sqltext.Delete:
		b.WriteString("FROM ")
	}
	if s.MultiTable {
		put("", s.Tables, "")
	} else {
		put("", s.TargetText, "")
		put("AS ", s.Alias, "")
		put("", s.Hints, "")
	}
	put("(", s.Columns, ")")
	if s.SourceKind == sqltext.SourceSet || s.Verb == sqltext.Update {
		b.WriteString("SET ")
		sets(s.Assignments)
	} else {
		put("", s.Source, "")
	}
	for _, c := range s.Conflicts {
		b.WriteString("ON DUPLICATE KEY UPDATE ")
		sets(c.Assignments)
	}
	put("WHERE (", s.Where, ")")
	put("ORDER BY ", s.OrderBy, "")
	put("LIMIT ", s.Limit, "")
	put("RETURNING ", s.Returning, "")
	return b.String()
}
