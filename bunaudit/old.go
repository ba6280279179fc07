package bunaudit

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/replay"
	"github.com/sqlaudit/bun/internal/sqltext"
)

// images are the rows that a statement is going to change, before it does.
type images struct {
	order []identity
	// byIdentity has them by what identifies them before the statement,
	// byNewIdentity by what will identify them after it, where that differs and
	// can be told beforehand.
	byIdentity, byNewIdentity map[string]image

	// asked, of a rehearsal, are the rows that it came to, there or not.
	asked map[string]bool
}

var errSameKey = errors.New("two rows have the same key, so that they can't be told apart")

// oldImages reads and locks the rows that the update is going to change.
func (c *capture) oldImages(ctx context.Context) (*images, error) {
	m, err := c.read(ctx, c.selectOld())
	if err != nil {
		return nil, err
	}
	if len(m.order) > 1 && changesIdentity(c.plan, c.stmt) && m.byNewIdentity == nil {
		return nil, c.refused("it changes the primary keys of several rows in a way that can't be foretold: update them one by one")
	}
	return m, nil
}

// read runs a SELECT of the rows' identities and images, and of their new
// identities where those are in the list as well.
func (c *capture) read(ctx context.Context, text string) (*images, error) {
	result, err := c.selectRows(ctx, text)
	if err != nil {
		return nil, err
	}
	m := &images{byIdentity: make(map[string]image, len(result.Rows))}
	width := c.columns.width()
	if len(result.Columns) > width {
		m.byNewIdentity = make(map[string]image, len(result.Rows))
	}
	for _, values := range result.Rows {
		id, img, err := c.columns.row(values[:width])
		if err != nil {
			return nil, c.notRecorded("", err)
		}
		key := id.mapKey()
		if _, again := m.byIdentity[key]; again {
			if c.stmt.From.Empty() {
				return nil, c.notRecorded("", errSameKey)
			}
			continue // a join may find a row more than once; it is updated once
		}
		m.byIdentity[key] = img
		m.order = append(m.order, id)
		if m.byNewIdentity != nil && !slices.Contains(values[width:], nil) {
			id, err := c.columns.identityOf(values[width:])
			if err != nil {
				return nil, c.notRecorded("", err)
			}
			m.byNewIdentity[id.mapKey()] = img
		} // a key that becomes NULL is for the database to refuse
	}
	return m, nil
}

// selectRows runs a SELECT of the audit's own on the rows of the statement.
func (c *capture) selectRows(ctx context.Context, text string) (*replay.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &statementError{err}
	}
	var rows rowsInMemory
	err := bun.NewRawQuery(c.db, "?", bun.Safe(text)).Conn(c.unit.conn).Scan(c.registry.dialect.patient(ctx), &rows)
	if err != nil {
		return nil, c.readFailed(ctx, err)
	}
	return &rows.Result, nil
}

// of returns what a row was before, given that n rows were updated.
func (m *images) of(row located, n int) (image, error) {
	known := m.byIdentity
	if m.byNewIdentity != nil {
		known = m.byNewIdentity
	}
	if img, ok := known[row.identity.mapKey()]; ok {
		return img, nil
	}
	if n == 1 && len(m.order) == 1 {
		return m.byIdentity[m.order[0].mapKey()], nil
	}
	return nil, errors.New("a row came back that was not read before: did a trigger change its primary key?")
}

// appendNewIdentity appends what the columns of the identity will hold after
// the update, where it changes one of them and says to what.
func (c *capture) appendNewIdentity(b []byte) []byte {
	if !changesIdentity(c.plan, c.stmt) {
		return b
	}
	expressions := make([]string, len(c.columns.identity))
	for i, col := range c.columns.identity {
		expressions[i] = qualified(c.qualifier(), col.name)
	}
	for _, a := range c.stmt.Assignments {
		assigned := sqltext.SplitRow(c.registry.lexical, a.Expr.In(c.text), len(a.Columns))
		if assigned == nil && len(a.Columns) == 1 {
			assigned = []string{a.Expr.In(c.text)}
		}
		for at, column := range a.Columns {
			i := c.plan.identityAt(column)
			if i < 0 {
				continue
			}
			if assigned == nil || strings.EqualFold(assigned[at], "DEFAULT") {
				return b // can't be told
			}
			expressions[i] = assigned[at]
		}
	}
	for i, col := range c.columns.identity {
		b = col.assigned(append(b, ", "...), expressions[i])
	}
	return b
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
