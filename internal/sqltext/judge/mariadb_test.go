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
	defer func() {
		if _, undo := m.conn.ExecContext(ctx, "ROLLBACK"); err == nil {
			err = undo
		}
	}()
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

func TestMariaDBDoesTheSameWithWhatSplitTakesApart(t *testing.T) {
	m := openMariaDB(t)
	_, before, err := m.run("SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	n := number("SQLTEXT_JUDGE", 5_000)
	g := &mariadbGenerator{generator{Rand: rand.New(rand.NewSource(int64(number("SQLTEXT_SEED", 1))))}}
	var c count
	reasons := refusals{}
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
				c.refused++
				reasons.add(t, err, text)
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
	reasons.log(t)
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
