package bunaudit

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/replay"
)

// tableName is the table as the statement names it, without ONLY or alias.
func (c *capture) tableName() string { return c.stmt.TargetText.In(c.text) }

// target is the table with its alias, as a FROM item.
func (c *capture) target() string {
	s := c.tableName()
	if c.stmt.Only {
		s = "ONLY " + s
	}
	if !c.stmt.Alias.Empty() {
		s += " AS " + c.stmt.Alias.In(c.text)
	}
	return s
}

// qualifier is what the statement calls the table in front of a column.
func (c *capture) qualifier() string {
	if !c.stmt.Alias.Empty() {
		return c.stmt.Alias.In(c.text)
	}
	return string(c.registry.dialect.quote(nil, c.stmt.Target.Table))
}

// statement is the statement up to end, with our columns in its RETURNING
// clause.
func (c *capture) statement(end int) string {
	b := make([]byte, 0, len(c.text)+512)
	b = append(b, c.text[:end]...)
	return string(c.appendReturning(b))
}

func (c *capture) appendReturning(b []byte) []byte {
	// On a line of its own: what stands before may end in a comment.
	if c.stmt.Returning.Empty() {
		b = append(b, "\nRETURNING "...)
	} else {
		b = append(b, "\n, "...)
	}
	qualifier := c.registry.dialect.inReturning(c.qualifier())
	b = c.columns.appendList(b, qualifier)
	if told := c.fate(); told != "" {
		b = append(append(b, ", "...), told...)
	}
	return b
}

// fate is the expression of a RETURNING clause with which our columns end where
// the database can say what became of the row.
func (c *capture) fate() string {
	if !isRehearsed(c.stmt) {
		return ""
	}
	return c.registry.dialect.fate(c.stmt.Verb, c.qualifier())
}

// images are the rows that a statement is going to change, before it does.
type images struct {
	order      []identity
	byIdentity map[string]image
	keyChanges bool
}

// oldImages reads and locks the rows that the update is going to change.
func (c *capture) oldImages(ctx context.Context) (*images, error) {
	m, err := c.read(ctx, c.selectOld())
	if err != nil {
		return nil, err
	}
	m.keyChanges = changesIdentity(c.plan, c.stmt)
	if m.keyChanges && len(m.order) > 1 {
		return nil, &UncapturableError{Table: c.plan.table, Op: c.stmt.Verb.String(),
			Reason: "it changes the primary keys of several rows: update them one by one"}
	}
	return m, nil
}

// read runs a SELECT of the rows' identities and images.
func (c *capture) read(ctx context.Context, text string) (*images, error) {
	result := &rowsInMemory{}
	err := bun.NewRawQuery(c.db, "?", bun.Safe(text)).Conn(c.unit.conn).Scan(ctx, result)
	if err != nil {
		return nil, c.readFailed(err)
	}
	m := &images{byIdentity: make(map[string]image, len(result.Rows))}
	for _, values := range result.Rows {
		id, img, err := c.columns.row(values)
		if err != nil {
			return nil, c.notRecorded("", err)
		}
		key := id.mapKey()
		if _, again := m.byIdentity[key]; again {
			if c.stmt.From.Empty() {
				return nil, c.notRecorded("", errors.New("two rows have the same key, so that they can't be told apart"))
			}
			continue // a join may find a row more than once; it is updated once
		}
		m.byIdentity[key] = img
		m.order = append(m.order, id)
	}
	return m, nil
}

// selectByIdentity selects and locks the rows of these identities.
func (c *capture) selectByIdentity(rows []identity) string {
	d, qualifier := c.registry.dialect, c.qualifier()
	b := append(c.columns.appendList([]byte("SELECT "), qualifier), " FROM "+c.target()+" WHERE "...)
	b = d.in(b, c.columns.identityNames(qualifier), rows)
	return string(append(b, d.lock(qualifier, false)...))
}

func (c *capture) selectOld() string {
	b := make([]byte, 0, len(c.text)+512)
	if !c.stmt.With.Empty() {
		b = append(append(b, c.stmt.With.In(c.text)...), '\n')
	}
	b = append(b, "SELECT "...)
	b = c.columns.appendList(b, c.qualifier())
	b = append(append(b, " FROM "...), c.target()...)
	if !c.stmt.From.Empty() {
		b = append(append(b, ", "...), c.stmt.From.In(c.text)...)
	}
	if !c.stmt.Where.Empty() {
		b = append(append(b, "\nWHERE "...), c.stmt.Where.In(c.text)...)
	}
	if !c.stmt.OrderBy.Empty() {
		b = append(append(b, "\nORDER BY "...), c.stmt.OrderBy.In(c.text)...)
	}
	if !c.stmt.Limit.Empty() {
		b = append(append(b, "\nLIMIT "...), c.stmt.Limit.In(c.text)...)
	}
	b = append(b, '\n')
	return string(append(b, c.registry.dialect.lock(c.qualifier(), changesIdentity(c.plan, c.stmt))...))
}

// restrictedUpdate is the update of exactly those rows: the condition isn't
// evaluated a second time, when it might hold for others. Where it joins other
// tables it is needed for the join, and evaluated on the rows that were locked.
func (c *capture) restrictedUpdate(rows []identity) string {
	d := c.registry.dialect
	b := make([]byte, 0, len(c.text)+512)
	end := c.stmt.Set.End
	if !c.stmt.From.Empty() {
		end = c.stmt.From.End
	}
	b = append(append(b, c.text[:end]...), "\nWHERE "...)
	if !c.stmt.From.Empty() && !c.stmt.Where.Empty() {
		b = append(append(append(b, '('), c.stmt.Where.In(c.text)...), "\n) AND "...)
	}
	b = d.in(b, c.columns.identityNames(c.qualifier()), rows)
	if !c.stmt.Returning.Empty() {
		b = append(append(b, "\nRETURNING "...), c.stmt.Returning.In(c.text)...)
	}
	return string(c.appendReturning(b))
}

// of returns what a row was before, given that n rows were updated.
func (m *images) of(row located, n int) (image, error) {
	if img, ok := m.byIdentity[row.identity.mapKey()]; ok && !m.keyChanges {
		return img, nil
	}
	if m.keyChanges && n == 1 && len(m.order) == 1 {
		return m.byIdentity[m.order[0].mapKey()], nil
	}
	return nil, errors.New("a row came back that was not read before: did a trigger change its primary key?")
}

// rowsInMemory is a bun.Model that takes the rows of any query as they are.
type rowsInMemory struct{ replay.Result }

func (m *rowsInMemory) Value() any { return nil }

func (m *rowsInMemory) ScanRows(_ context.Context, rows *sql.Rows) (int, error) {
	r, err := replay.Read(rows)
	if err != nil {
		return 0, err
	}
	m.Result = *r
	return len(r.Rows), nil
}
