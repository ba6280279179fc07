package bunaudit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/sqlstate"
)

// cleanupTimeout bounds a rollback: it has to run although the statement's
// context may be done.
const cleanupTimeout = 5 * time.Second

// unit is the stretch of a transaction in which one statement is recorded: a
// transaction of its own where the statement came on the pool, else a part of
// the caller's. It ends with commit or with rollback.
type unit struct {
	db      *bun.DB
	conn    bun.IConn // *sql.Tx or *sql.Conn
	dialect database
	id      string // of the transaction, for Event.Tx
	turn    *turn  // on a connection that may see other statements in the same transaction, else nil

	// mayJoin says that a transaction may be open which has an id already.
	mayJoin bool

	restore    string // SQL to run before onCommit, may be empty
	onCommit   string // SQL, may be empty
	onRollback []string
	// poison ends the caller's transaction where nothing smaller undoes the
	// change: PostgreSQL does the same at any error.
	poison bool
	// aborts says that an error of a statement has ended the transaction that
	// was joined, so that there is nothing left to undo.
	aborts bool
	// changed says that a statement was sent that may have changed rows, and was
	// not undone since.
	changed bool
	release func(broken bool)
}

// begin opens a unit on the connection that the statement was built for. Its
// errors are the database's own.
func (h *Hook) begin(ctx context.Context, db *bun.DB, conn bun.IConn, d database) (*unit, error) {
	savepoint := !d.aborts() || h.cfg.OnFailure.degrades()
	switch c := conn.(type) {
	case *sql.Tx:
		state, err := h.txs.lock(ctx, c, h.cfg.NewID)
		if err != nil {
			return nil, err
		}
		u := &unit{db: db, conn: c, dialect: d, id: state.id, turn: state, aborts: d.aborts(), release: func(broken bool) {
			if broken { // so that nobody commits what could not be undone
				_ = c.Rollback()
			}
			state.unlock()
		}}
		return u, u.join(ctx, savepoint)
	case *Tx: // a sink writes to an audited table: the unit is open already
		u := &unit{db: db, conn: c.IConn, dialect: d, id: c.id, aborts: d.aborts(), release: func(bool) {}}
		return u, u.join(ctx, savepoint)
	case *sql.Conn:
		return h.beginOnConn(ctx, db, c, d, savepoint)
	case *sql.DB:
		return h.beginOnPool(ctx, db, c, d)
	}
	return h.beginOnPool(ctx, db, db.DB, d)
}

// beginOnPool opens a transaction. Connections that have died in the pool are
// passed over, as database/sql does for a single statement.
func (h *Hook) beginOnPool(ctx context.Context, db *bun.DB, pool *sql.DB, d database) (*unit, error) {
	for range pool.Stats().Idle {
		u, err := h.tryOnPool(ctx, db, pool, d)
		if !errors.Is(err, driver.ErrBadConn) {
			return u, err
		}
	}
	return h.tryOnPool(ctx, db, pool, d)
}

func (h *Hook) tryOnPool(ctx context.Context, db *bun.DB, pool *sql.DB, d database) (*unit, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	u := &unit{db: db, conn: c, dialect: d, id: h.cfg.NewID(), onCommit: "COMMIT", onRollback: []string{"ROLLBACK"}}
	u.release = func(broken bool) {
		if broken { // whatever it is in the middle of, nobody else may have it
			_ = c.Raw(func(any) error { return driver.ErrBadConn })
		}
		_ = c.Close()
	}
	if err := u.exec(ctx, d.begin()); err != nil {
		u.release(true)
		return nil, err
	}
	return u, nil
}

// beginOnConn opens a unit on a connection that the caller holds, and on which
// he may have opened a transaction by hand.
func (h *Hook) beginOnConn(ctx context.Context, db *bun.DB, c *sql.Conn, d database, savepoint bool) (*unit, error) {
	state, err := h.conns.lock(ctx, c, h.cfg.NewID)
	if err != nil {
		return nil, err
	}
	u := &unit{db: db, conn: c, dialect: d, id: h.cfg.NewID(), turn: state, release: func(bool) { state.unlock() }}
	inside, err := d.inTransaction(ctx, u)
	if err != nil {
		u.release(false)
		return nil, err
	}
	if inside {
		u.aborts = d.aborts()
		return u, u.join(ctx, savepoint)
	}
	u.onCommit, u.onRollback = "COMMIT", []string{"ROLLBACK"}
	if err := u.exec(ctx, d.begin()); err != nil {
		u.rollback(ctx) // ctx may have ended after the transaction was opened
		return nil, err
	}
	return u, nil
}

// time makes of the clock's time that of the events. No two statements of a
// transaction have the same, whatever the clock does: by their times history knows
// which events are of one statement.
func (u *unit) time(now time.Time) time.Time {
	now = now.UTC().Truncate(time.Microsecond)
	if u.turn == nil {
		return now
	}
	if !now.After(u.turn.last) {
		now = u.turn.last.Add(time.Microsecond)
	}
	u.turn.last = now
	return now
}

// joined reports whether the unit is a part of the caller's transaction.
func (u *unit) joined() bool { return u.onCommit != "COMMIT" }

const savepointName = "bunaudit"

// join makes the unit a part of the transaction that is open.
func (u *unit) join(ctx context.Context, savepoint bool) error {
	if !savepoint {
		u.poison = true
		return nil
	}
	name := u.dialect.savepoint(savepointName)
	if err := u.exec(ctx, "SAVEPOINT "+name); err != nil {
		u.release(false)
		return err
	}
	u.onCommit = "RELEASE SAVEPOINT " + name
	u.onRollback = []string{"ROLLBACK TO SAVEPOINT " + name, "RELEASE SAVEPOINT " + name}
	return nil
}

// commit makes the change and its events the transaction's. On an error the
// unit is rolled back.
func (u *unit) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		u.rollback(ctx)
		return err
	}
	for _, sql := range []string{u.restore, u.onCommit} {
		if sql == "" {
			continue
		}
		if err := u.exec(ctx, sql); err != nil {
			u.rollback(ctx)
			return err
		}
	}
	u.release(false)
	return nil
}

// rollback undoes what the unit has done. Where that can't be said for sure the
// connection is given up, and the database rolls back.
func (u *unit) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	var failed error
	for _, sql := range u.onRollback {
		if failed = u.exec(ctx, sql); failed != nil {
			break
		}
	}
	if u.poison {
		// Fails on purpose: the error is what undoes the change.
		_ = u.exec(ctx, "ROLLBACK TO SAVEPOINT bunaudit_event_not_recorded")
	}
	u.release(failed != nil)
}

// fail ends the unit after the statement itself has failed with err. The
// caller's transaction is left as the database has left it, unless the error is
// none of the database's: where the context has ended, say, the statement may
// have been carried out all the same, and must not be committed unrecorded.
func (u *unit) fail(ctx context.Context, err error) {
	if u.aborts && sqlstate.Of(err) != "" {
		u.release(false)
		return
	}
	if !u.changed {
		u.poison = false
	}
	u.rollback(ctx)
}

// withdraw ends a unit in which nothing was changed.
func (u *unit) withdraw(ctx context.Context) {
	u.poison = false
	u.rollback(ctx)
}

// try runs fn so that what it did to the database can be undone alone.
func (u *unit) try(ctx context.Context, fn func() error) error {
	name := u.dialect.savepoint("bunaudit_try")
	if err := u.exec(ctx, "SAVEPOINT "+name); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		return u.exec(ctx, "RELEASE SAVEPOINT "+name)
	}
	if own := (*statementError)(nil); u.aborts && errors.As(err, &own) && sqlstate.Of(own.err) != "" {
		return err // it ends the transaction, with the audit or without
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	for _, sql := range []string{"ROLLBACK TO SAVEPOINT " + name, "RELEASE SAVEPOINT " + name} {
		if undo := u.exec(ctx, sql); undo != nil {
			return fmt.Errorf("%w (and undo: %w)", err, undo)
		}
	}
	u.changed = false
	return err
}

// exec runs a statement of the unit's own, through Bun, so that the query hooks
// that log and trace see it.
func (u *unit) exec(ctx context.Context, sql string) error {
	_, err := bun.NewRawQuery(u.db, "?", bun.Safe(sql)).Conn(u.conn).Exec(ctx)
	return err
}
