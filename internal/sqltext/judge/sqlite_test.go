package judge

import (
	"database/sql"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// sqlite compiles statements without running them.
type sqlite struct {
	db    *sql.DB
	roots map[int]string // root page → table
}

func openSQLite(t *testing.T) *sqlite {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	for _, name := range []string{"t", "u", "update", "set", "it's"} {
		columns := `a UNIQUE, b UNIQUE, "c d", "from", conflict, "set", "on conflict", replace`
		if _, err := db.Exec(fmt.Sprintf(`CREATE TABLE "%s" (%s)`, name, columns)); err != nil {
			t.Fatal(err)
		}
	}
	s := &sqlite{db: db, roots: map[int]string{}}
	rows, err := db.Query("SELECT rootpage, tbl_name FROM sqlite_schema")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var root int
		var name string
		if err := rows.Scan(&root, &name); err != nil {
			t.Fatal(err)
		}
		s.roots[root] = name
	}
	return s
}

// compile returns the program of a statement and the tables that it writes to.
func (s *sqlite) compile(text string) (program, written []string, err error) {
	rows, err := s.db.Query("EXPLAIN " + text)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var addr, p1, p2, p3 int
		var opcode string
		var p4, p5, comment sql.NullString
		if err := rows.Scan(&addr, &opcode, &p1, &p2, &p3, &p4, &p5, &comment); err != nil {
			return nil, nil, err
		}
		program = append(program, fmt.Sprint(addr, opcode, p1, p2, p3, p4.String, p5.String))
		root := 0
		switch opcode {
		case "OpenWrite":
			root = p2
		case "Clear":
			root = p1
		}
		if name, ok := s.roots[root]; ok && !slices.Contains(written, name) {
			written = append(written, name)
		}
	}
	return program, written, rows.Err()
}

func TestSQLiteCompilesWhatSplitTakesApartToTheSameProgram(t *testing.T) {
	n := number("SQLTEXT_JUDGE", 20_000)
	g := &generator{Rand: rand.New(rand.NewSource(int64(number("SQLTEXT_SEED", 1)))), sqlite: true}
	lite := openSQLite(t)
	var c count
	reasons := refusals{}
	for range n {
		text := g.write(2, true)
		if g.chance(40) {
			text = g.mutate(text)
		}
		c.texts++
		if strings.Contains(text, ";;") || strings.Contains(text, "?1") && strings.Contains(text, ":x") {
			continue
		}
		program, written, err := lite.compile(text)
		if err != nil || len(program) == 0 {
			continue
		}
		c.valid++
		names, certain := sqltext.Targets(sqltext.SQLite, text)
		for _, name := range written {
			if certain && !slices.ContainsFunc(names, func(n sqltext.Name) bool { return n.Is(sqltext.SQLite, "main", name) }) {
				t.Errorf("Targets(%q) = %v, SQLite writes to %v", text, names, written)
			}
		}
		if len(written) == 0 {
			continue // mutated into a SELECT
		}
		s, err := sqltext.Split(sqltext.SQLite, text)
		if err != nil {
			c.refused++
			reasons.add(t, err, text)
			continue
		}
		c.split++
		if len(written) != 1 || !s.Target.Is(sqltext.SQLite, "main", written[0]) {
			t.Errorf("%q: target %v, SQLite writes to %v", text, s.Target, written)
		}
		again := rebuild(text, s)
		copied, _, err := lite.compile(again)
		if err != nil || !slices.Equal(program, copied) {
			t.Errorf("%q\nput together again as\n%q\nis not the same: %v", text, again, err)
		}
		if s.SourceKind == sqltext.SourceQuery {
			source := s.With.In(text) + " " + s.Source.In(text)
			if !s.With.Empty() && strings.HasPrefix(strings.ToUpper(s.Source.In(text)), "WITH") {
				source = s.With.In(text) + " SELECT * FROM (" + s.Source.In(text) + ")"
			}
			if _, _, err := lite.compile(source); err != nil {
				t.Errorf("%q: source %q: %v", text, source, err)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%+v", c)
	reasons.log(t)
	if c.split < n/10 || c.refused > c.split/10 {
		t.Errorf("too few statements taken apart: %+v", c)
	}
}

// rebuild writes the statement again from its clauses, with parentheses around
// every expression: a clause that is cut at the wrong place can't compile to the
// same program.
func rebuild(text string, s sqltext.Statement) string {
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
			open, closing := "(", ")"
			if len(a.Columns) > 1 {
				open, closing = "", ""
			}
			b.WriteString(a.Left.In(text) + " = " + open + a.Expr.In(text) + closing)
		}
		b.WriteString("\n")
	}
	put("", s.With, "")
	put("", s.VerbSpan, "")
	put("", s.Modifier, "")
	switch s.Verb {
	case sqltext.Insert, sqltext.Replace:
		b.WriteString(" INTO ")
	case sqltext.Delete:
		b.WriteString(" FROM ")
	}
	put("", s.TargetText, "")
	put(" AS ", s.Alias, "")
	put(" ", s.Hints, "")
	put("(", s.Columns, ")")
	put(" ", s.Source, "")
	for _, c := range s.Conflicts {
		b.WriteString(" ON CONFLICT " + c.Target.In(text))
		if c.Kind == sqltext.DoNothing {
			b.WriteString(" DO NOTHING ")
			continue
		}
		b.WriteString(" DO UPDATE SET ")
		sets(c.Assignments)
		put(" WHERE (", c.Where, ")")
	}
	if s.Verb == sqltext.Update {
		b.WriteString(" SET ")
		sets(s.Assignments)
	}
	put(" FROM ", s.From, "")
	put(" WHERE (", s.Where, ")")
	put(" RETURNING ", s.Returning, "")
	return b.String()
}
