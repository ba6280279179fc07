package bunaudit

import (
	"context"
	"database/sql"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/bunconn"
)

// guard is a connection that runs nothing. It stands in for a query's own
// connection until somebody runs the query, who gets its error.
type guard struct {
	query bunconn.Query
	conn  bun.IConn // the query's own
	err   error
}

func (g *guard) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, g.refuse()
}

func (g *guard) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, g.refuse()
}

func (g *guard) QueryRowContext(ctx context.Context, _ string, _ ...any) *sql.Row {
	return g.query.DB().DB.QueryRowContext(refusal{ctx, g.refuse()}, "")
}

// refuse gives the query its connection back: it may be run again.
func (g *guard) refuse() error {
	bunconn.Set(g.query, g.conn)
	return g.err
}

// refuse makes a query fail with err when it is run, which is next. One that
// was not built has no connection that could be replaced; for it there is the
// context that BeforeQuery returns.
func refuse(ctx context.Context, q bunconn.Query, err error) context.Context {
	if q != nil {
		if conn, getErr := bunconn.Get(q); getErr == nil && bunconn.Set(q, &guard{query: q, conn: conn, err: err}) {
			return ctx
		}
	}
	return refusal{ctx, err}
}

// refusal is a context that is done from the start. Bun hands the context that
// BeforeQuery returns to database/sql, which returns the context's error to the
// caller before it sends anything.
//
// On a *sql.Conn database/sql leaves that to the driver, and pgdriver looks at
// nothing but the deadline: it sends nothing once that has passed, and says
// that the connection is bad.
type refusal struct {
	context.Context
	err error
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (refusal) Done() <-chan struct{}            { return closed }
func (r refusal) Err() error                     { return r.err }
func (refusal) Deadline() (at time.Time, _ bool) { return time.Unix(1, 0), true }
