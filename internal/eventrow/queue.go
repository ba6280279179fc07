package eventrow

import (
	"slices"
	"strings"
)

// Column is a column that a table has beside those of an event.
type Column struct{ Name, Type string }

// CreateQueue is like Create for a table whose rows are only ever read in the
// order of seq and deleted: it has the same columns, then those of extra, and
// seq as its only index. On PostgreSQL its JSON is kept as text, not as jsonb: nothing
// is looked up in it, and to make text of jsonb is most of what reading a row takes.
func (t Table) CreateQueue(d Dialect, extra ...Column) ([]string, error) {
	stmts, err := t.Create(d)
	if err != nil {
		return nil, err
	}
	stmts = slices.DeleteFunc(stmts, func(s string) bool { return strings.HasPrefix(s, "CREATE INDEX") })
	last := len(stmts) - 1
	stmts[last] = withoutIndexes(stmts[last], d, extra)
	return stmts, nil
}

// withoutIndexes rewrites a CREATE TABLE, which has a column or an index a line.
func withoutIndexes(create string, d Dialect, extra []Column) string {
	lines := strings.Split(create, "\n")
	head, body, tail := lines[0], lines[1:len(lines)-1], lines[len(lines)-1]
	body = slices.DeleteFunc(body, func(line string) bool { return strings.HasPrefix(line, "  INDEX ") })
	kept := strings.NewReplacer(" UNIQUE", "", " jsonb", " json")
	for i, line := range body {
		body[i] = kept.Replace(strings.TrimSuffix(line, ","))
	}
	for _, c := range extra {
		body = append(body, "  "+quote(d, c.Name)+" "+c.Type)
	}
	return head + "\n" + strings.Join(body, ",\n") + "\n" + tail
}
