package bunaudit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/pgevent"
	"github.com/sqlaudit/bun/internal/sqlstate"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// On PostgreSQL an audited statement writes its events itself, where the sink's
// events are rows of tables in the same database: it runs as a common table
// expression, and a second one inserts the events. The change and its events
// are then one statement, in one round trip. What that can't do exactly goes
// the general way, see capture.go; both give the same events.

// inlineAs returns the tables into which the statements of a hook insert their
// own events, or the reason why they don't.
func (h *Hook) inlineAs() (tables []sink.Table, reason string) {
	tabled, ok := h.cfg.Sink.(sink.Tabled)
	switch {
	case h.cfg.SeparateStatements:
		return nil, bySetting
	case h.cfg.OnFailure.degrades():
		return nil, byDegrade
	case !ok:
		return nil, bySink
	}
	if tables = tabled.EventTables(); len(tables) == 0 {
		return nil, bySink
	}
	return tables, ""
}

// runInline records the statement by one statement. It returns the reason where
// it has not, and nothing was changed.
func (r *recorder) runInline(ctx context.Context, actor sink.Actor, wantRows bool) (out *outcome, reason string, err error) {
	if !r.registry.dialect.inlines() || r.opaque != nil {
		return nil, byVerb, nil
	}
	tables, reason := r.hook.inlineAs()
	if reason != "" {
		return nil, reason, nil
	}
	u, err := r.hook.beginInline(ctx, r.db, r.conn, r.registry.dialect)
	if err != nil {
		return nil, "", err
	}
	defer u.release(false)
	c := &capture{recorder: r, unit: u, wantRows: wantRows}
	if err := c.loadColumns(ctx); err != nil {
		var own *statementError
		if errors.As(err, &own) {
			return nil, "", own.err
		}
		return nil, byUnknownTable, nil // the general way says what it means
	}
	if reason := c.columns.inline.cant(c); reason != "" {
		return nil, reason, nil
	}
	row, err := r.eventRow(ctx, u, actor, c.columns)
	if err != nil {
		return nil, byID, nil
	}
	out, text, done, err := c.sendPrepared(ctx, tables, &row)
	if !done {
		text = c.inlineText(tables, &row)
		out, err = c.send(ctx, text)
	}
	switch {
	case err == nil && text.guarded && out.affected == 0:
		return nil, byNoRow, nil
	case err == nil:
		return out, "", nil
	case isOwn(err):
		return nil, "", r.blameInline(err)
	}
	c.forgetColumns()
	if c.unit.isAlone(ctx, r.registry.dialect) {
		return nil, byError, nil
	}
	return nil, "", r.blameInline(err)
}

// isAlone reports whether a statement that has failed was a transaction of its
// own, so that another one can be tried.
func (u *unit) isAlone(ctx context.Context, d database) bool {
	switch u.conn.(type) {
	case *sql.DB:
		return true
	case *sql.Conn:
		if !u.mayJoin {
			return false // ours: a sink that writes to an audited table
		}
		inside, err := d.inTransaction(ctx, u)
		return err == nil && !inside
	}
	return false
}

// blameInline tells an error of the events from one of the statement.
func (r *recorder) blameInline(err error) error {
	var own *statementError
	if !errors.As(err, &own) {
		return err
	}
	if pgevent.IsRaised(own.err) {
		return r.notRecorded(opOf(r.stmt.Verb), errAltered)
	}
	if explained := r.hook.cfg.Sink.(sink.Tabled).Explain(own.err); explained != nil {
		return r.notRecorded(opOf(r.stmt.Verb), explained)
	}
	return own.err
}

var errAltered = errors.New("the table was altered, or got a trigger, under the running program, which knows now: try again")

// opOf is what a statement does to a row, as far as its verb tells.
func opOf(verb sqltext.Verb) sink.Op {
	switch verb {
	case sqltext.Insert:
		return sink.Insert
	case sqltext.Update:
		return sink.Update
	case sqltext.Delete:
		return sink.Delete
	}
	return ""
}

// isOwn reports whether the error can only be one that the statement has
// without us as well: a constraint, a lock or a time-out, a connection, an
// exception that a trigger raises.
func isOwn(err error) bool {
	state := sqlstate.Of(err)
	if len(state) != 5 {
		return true // none of the database's
	}
	switch state[:2] {
	case "08", "23", "25", "40", "55", "57", "P0":
		return true
	}
	return false
}

// beginInline opens a unit for one statement that needs no transaction.
func (h *Hook) beginInline(ctx context.Context, db *bun.DB, conn bun.IConn, d database) (*unit, error) {
	switch c := conn.(type) {
	case *sql.Tx, *Tx:
		return h.begin(ctx, db, conn, d)
	case *sql.Conn:
		state, err := h.conns.lock(ctx, c, h.cfg.NewID)
		if err != nil {
			return nil, err
		}
		return &unit{db: db, conn: c, id: h.cfg.NewID(), turn: state, mayJoin: true, release: func(bool) { state.unlock() }}, nil
	case *sql.DB:
		return &unit{db: db, conn: c, id: h.cfg.NewID(), release: func(bool) {}}, nil
	}
	return &unit{db: db, conn: db.DB, id: h.cfg.NewID(), release: func(bool) {}}, nil
}

// eventRow returns what the rows of all events of the statement have in common.
func (r *recorder) eventRow(ctx context.Context, u *unit, actor sink.Actor, c *columns) (eventrow.Row, error) {
	e := r.commonEvent(ctx, u, actor)
	e.ID, e.Op, e.Table = r.hook.cfg.NewID(), sink.Update, r.eventTable(c)
	return eventrow.FromEvent(&e)
}

// send runs the statement that writes its events.
func (c *capture) send(ctx context.Context, text inlineText) (*outcome, error) {
	if c.wantRows {
		return c.queryInline(ctx, text)
	}
	return c.execInline(ctx, text)
}

// execInline runs the statement for how many rows it comes to.
func (c *capture) execInline(ctx context.Context, text inlineText) (*outcome, error) {
	res, err := c.exec(ctx, text.sql)
	if err != nil {
		return nil, err
	}
	out := &outcome{}
	if out.affected, err = res.RowsAffected(); err != nil {
		return nil, c.notRecorded("", err)
	}
	out.events = int(out.affected)
	out.lastID, out.noLastID = c.registry.dialect.lastInsertID(ctx, c.unit)
	return out, nil
}

// queryInline runs the statement for its rows, and takes what is ours off them.
func (c *capture) queryInline(ctx context.Context, text inlineText) (*outcome, error) {
	result, err := c.query(ctx, text.sql)
	if err != nil {
		return nil, err
	}
	if len(result.Columns) < text.ours {
		return nil, c.notRecorded("", errFewColumns)
	}
	out := &outcome{affected: int64(len(result.Rows)), events: len(result.Rows)}
	if text.told {
		out.events = 0
		for _, row := range result.Rows {
			if isTrue(row[len(row)-1]) {
				out.events++
			}
		}
	}
	result.Cut(text.ours)
	out.returned = result
	return out, nil
}

func isTrue(v driver.Value) bool {
	switch v := v.(type) {
	case bool:
		return v
	case []byte:
		return string(v) == "t"
	case string:
		return v == "t"
	}
	return false
}
