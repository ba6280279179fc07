package oracle

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
)

// run is one execution of a program.
type run struct {
	world   *World
	program *Program
	down    atomic.Pointer[chan struct{}] // closed when the server is up again

	mu         sync.Mutex
	statements int
	surprises  []string // errors that nothing in the program explains
}

var errRollback = errors.New("the program rolls back")

// clients runs blocks by so many clients side by side.
func (r *run) clients(ctx context.Context, n int, blocks []block) {
	var all sync.WaitGroup
	for c := range n {
		all.Go(func() {
			for i := range blocks {
				if b := &blocks[i]; b.client == c || n == 1 {
					r.block(ctx, b)
				}
			}
		})
	}
	all.Wait()
}

// block runs a block. What fails, fails: the two records tell what became of it.
func (r *run) block(ctx context.Context, b *block) {
	if up := r.down.Load(); up != nil {
		<-*up
	}
	if b.cancel != neverCancel {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		timer := time.AfterFunc(b.cancel, cancel)
		defer timer.Stop()
		defer cancel()
	}
	// With or without the audit, SQLite's driver may fail to end a transaction
	// that has seen a cancelled context, and the pool then gives the connection
	// to the next one as it is. Here such a connection is thrown away.
	begin := ctx
	if r.world.sql == (sqlite{}) {
		begin = context.WithoutCancel(ctx)
	}
	db := r.world.audited
	options := &sql.TxOptions{Isolation: b.isolation}
	switch b.place {
	case onPool:
		_ = r.steps(ctx, b, db, b.steps, "")
	case inRunInTx:
		err := db.RunInTx(begin, options, func(_ context.Context, tx bun.Tx) error { return r.inTx(ctx, b, tx) })
		r.ended(b, err)
	case inBeginTx, inSharedTx:
		tx, err := db.BeginTx(begin, options)
		r.transaction(ctx, b, tx, err)
	default:
		conn, err := db.Conn(begin)
		if err != nil {
			r.ended(b, err)
			return
		}
		defer func() {
			lost := r.world.sql == (sqlite{}) && b.place.isTx() && b.cancel != neverCancel
			if lost || r.world.sql == (mariadb{}) && b.setting != "" { // which is the connection's
				_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			}
			_ = conn.Close()
		}()
		r.onConn(begin, ctx, b, conn, options)
	}
}

func (r *run) onConn(begin, ctx context.Context, b *block, conn bun.Conn, options *sql.TxOptions) {
	switch b.place {
	case onConn:
		_ = r.steps(ctx, b, conn, b.steps, "")
	case inConnTx:
		tx, err := conn.BeginTx(begin, options)
		r.transaction(ctx, b, tx, err)
	default:
		_, err := conn.ExecContext(begin, "BEGIN")
		if err == nil {
			err = r.inTx(ctx, b, conn)
		}
		if err == nil {
			_, err = conn.ExecContext(begin, "COMMIT")
		}
		if err != nil {
			if _, undo := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); undo != nil {
				_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			}
		}
		r.ended(b, err)
	}
}

// transaction runs the steps of a block that began tx. The statements have a
// context of their own half of the time, as where a caller keeps a transaction
// across requests.
func (r *run) transaction(ctx context.Context, b *block, tx bun.Tx, err error) {
	if err == nil {
		own := ctx
		if b.id%2 == 0 {
			own = context.WithoutCancel(ctx)
		}
		if err = r.inTx(own, b, tx); err == nil {
			err = tx.Commit()
		} else {
			_ = tx.Rollback()
		}
	}
	r.ended(b, err)
}

// inTx runs the steps of a block in its transaction.
func (r *run) inTx(ctx context.Context, b *block, tx bun.IDB) error {
	if b.setting != "" {
		if _, err := tx.ExecContext(ctx, b.setting); err != nil {
			return err
		}
	}
	if b.mark {
		if err := r.mark(ctx, tx, b.label("")); err != nil {
			return err
		}
	}
	var err error
	if b.place == inSharedTx {
		var errs [2]error
		var both sync.WaitGroup
		half := len(b.steps) / 2
		both.Go(func() { errs[0] = r.steps(ctx, b, tx, b.steps[:half], "") })
		both.Go(func() { errs[1] = r.steps(ctx, b, tx, b.steps[half:], "") })
		both.Wait()
		err = errors.Join(errs[0], errs[1])
	} else {
		err = r.steps(ctx, b, tx, b.steps, "")
	}
	if strings.Contains(b.setting, "idle") {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil && !b.stubborn {
		return err
	}
	if b.rollback {
		return errRollback
	}
	if b.mark {
		return r.mark(ctx, tx, "")
	}
	return nil
}

// mark tells the oracle the name of the transaction.
func (r *run) mark(ctx context.Context, tx bun.IDB, label string) error {
	_, err := tx.NewRaw(r.world.sql.mark(), label).Exec(ctx)
	return err
}

// steps runs steps in order, and returns the first error.
func (r *run) steps(ctx context.Context, b *block, db bun.IDB, steps []step, path string) error {
	var first error
	for i, s := range steps {
		var err error
		at := fmt.Sprintf("%s%d", path, i)
		if s.nested != nil {
			err = r.nested(ctx, b, db, s.nested, at+".")
		} else {
			err = r.statement(ctx, b, db, s, at)
		}
		if first == nil {
			first = err
		}
		if err != nil && !b.stubborn {
			return err
		}
	}
	return first
}

func (r *run) nested(ctx context.Context, b *block, db bun.IDB, sp *savepoint, path string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	err = r.steps(ctx, b, tx, sp.steps, path)
	if err != nil && !b.stubborn || sp.rollback {
		return tx.Rollback()
	}
	return tx.Commit()
}

// statement runs one statement.
func (r *run) statement(ctx context.Context, b *block, db bun.IDB, s step, at string) error {
	q := r.world.build(r.program, s, db)
	if q == nil {
		return nil
	}
	ctx = bunaudit.WithMeta(ctx, "label", b.label(at))
	_, err := q.Exec(ctx)
	r.world.count(s.kind.name, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements++
	if why := surprise(s.kind, err); why != "" {
		r.surprises = append(r.surprises, fmt.Sprintf("%s: [%s] %s: %s", b, s.kind.name, q, why))
	}
	return err
}

// ended notes an error of a block's end that nothing explains. Those of the
// audit are judged at their statements.
func (r *run) ended(b *block, err error) {
	var refused *bunaudit.UncapturableError
	var notRecorded *bunaudit.NotRecordedError
	if err == nil || errors.Is(err, errRollback) || errors.As(err, &refused) || errors.As(err, &notRecorded) || isExpected(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.surprises = append(r.surprises, fmt.Sprintf("%s: unexpected error at its end: %v", b, err))
}

func (w *World) count(kind string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.counts[kind]
	if c == nil {
		c = &Count{}
		w.counts[kind] = c
	}
	c.Run++
	var refused *bunaudit.UncapturableError
	switch {
	case err == nil:
		c.Done++
	case errors.As(err, &refused):
		c.Refused++
	}
}
