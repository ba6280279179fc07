package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// passTime bounds a pass through a backlog: its snapshot keeps the database from
// reclaiming the rows that are deleted meanwhile.
const passTime = 5 * time.Second

// glance is how many events are read to see whether there is a backlog. Those of a
// backlog are read again, with the others, see [pager].
const glance = 500

// pass goes through the outbox once, from its start, and returns how many events
// it brought to their end. An error is one of the database.
func (r *Relay) pass(ctx context.Context) (sent int, err error) {
	if !r.backlog {
		p, err := r.read(ctx, r.db.DB, 0, min(r.limit, glance))
		if err != nil {
			return 0, err
		}
		if len(p.events) == 0 {
			r.clearStops()
		}
		if p.last { // as nearly always: one query that sees all
			acked := r.publish(ctx, p.events, r.stopped())
			r.figures.left(p.events, acked)
			return len(acked), r.remove(ctx, acked)
		}
	}
	return r.longPass(ctx)
}

// longPass reads ahead while it publishes, and deletes what was published before.
func (r *Relay) longPass(ctx context.Context) (sent int, err error) {
	pager, err := r.newPager(ctx)
	if err != nil {
		return 0, err
	}
	defer pager.done()
	stopped := r.stopped()
	var began time.Time
	next := r.readAhead(ctx, pager)
	removed := make(chan error, 1)
	removed <- nil
	for {
		got := <-next
		if got.err != nil {
			return sent, errors.Join(<-removed, got.err)
		}
		over := got.last || !began.IsZero() && time.Since(began) > passTime || ctx.Err() != nil || !r.lease.held()
		if !over {
			next = r.readAhead(ctx, pager)
		}
		acked := r.publish(ctx, got.events, stopped)
		sent += len(acked)
		if began.IsZero() && len(acked) > 0 {
			began = time.Now()
		}
		if err := <-removed; err != nil {
			if !over {
				<-next
			}
			return sent, errors.Join(r.remove(ctx, acked), err)
		}
		go func() { removed <- r.remove(ctx, acked) }()
		if !over && r.allStopped(stopped) {
			<-next
			over = true
		}
		if over {
			// Where something is left it is asked for anew, with another snapshot.
			r.backlog = !got.last && sent > 0
			return sent, <-removed
		}
	}
}

type pageOrError struct {
	page
	err error
}

// readAhead reads the next page on a goroutine of its own, which ends with it.
func (r *Relay) readAhead(ctx context.Context, p *pager) <-chan pageOrError {
	next := make(chan pageOrError, 1)
	go func() {
		pg, err := p.next(ctx)
		next <- pageOrError{pg, err}
	}()
	return next
}

// maxDelete bounds one DELETE.
const maxDelete = 5000

// remove deletes exactly these rows. It goes on for a while after ctx has ended:
// what isn't deleted is published again.
func (r *Relay) remove(ctx context.Context, seqs []int64) error {
	if len(seqs) == 0 {
		return nil
	}
	ctx, cancel := r.grace(ctx)
	defer cancel()
	for tries := 1; ; tries++ {
		err := r.delete(ctx, seqs)
		if err == nil || ctx.Err() != nil {
			return err
		}
		r.failed(ctx, "kafkasink: can't delete what was published, and goes on trying", err)
		pause(ctx, backoff(tries, r.cfg.MaxBackoff), nil)
	}
}

func (r *Relay) delete(ctx context.Context, seqs []int64) error {
	for len(seqs) > 0 {
		n := min(len(seqs), maxDelete)
		if err := r.deleteRows(ctx, r.db.DB, seqs[:n], true); err != nil {
			return fmt.Errorf("delete from outbox: %w", err)
		}
		seqs = seqs[n:]
	}
	return nil
}

// deleteRows deletes rows by the ends of their range and what is in it besides,
// where that is little: reading a list of all of them takes the database ten times
// as long as deleting. What is in it besides may be rows that were not published: of
// a partition that stands still, or of a transaction that has committed late.
func (r *Relay) deleteRows(ctx context.Context, conn bun.IConn, seqs []int64, hurried bool) error {
	seqs = slices.Clone(seqs)
	slices.Sort(seqs)
	first, last := seqs[0], seqs[len(seqs)-1]
	q := r.db.NewDelete().Conn(conn).Model((*eventrow.Row)(nil)).ModelTableExpr("?", r.sink.cfg.outbox().Expr()).
		Where("seq BETWEEN ? AND ?", first, last)
	if others, few := gaps(seqs, maxGaps); !few || r.db.Dialect().Name() == dialect.MySQL {
		q = q.Where("seq IN (?)", bun.In(seqs))
	} else if len(others) > 0 {
		q = q.Where("seq NOT IN (?)", bun.In(others))
	}
	if hurried && r.db.Dialect().Name() == dialect.PG {
		// For this transaction, in its one statement.
		q = q.Where("(SELECT set_config('synchronous_commit', 'off', true)) = 'off'")
	}
	_, err := q.Exec(ctx)
	return err
}

// maxGaps bounds the list of those that a DELETE leaves alone: before PostgreSQL
// 15, each row is compared with all of it.
const maxGaps = 100

// gaps returns the numbers that ascending seqs pass over, and false where they are
// more than most.
func gaps(seqs []int64, most int) (out []int64, few bool) {
	for i, seq := range seqs[1:] {
		for other := seqs[i] + 1; other < seq; other++ {
			if len(out) == most {
				return nil, false
			}
			out = append(out, other)
		}
	}
	return out, true
}

// graceTime is for how long what has begun may go on after the context of Run
// has ended.
const graceTime = 5 * time.Second

// grace returns a context that ends that much later than ctx.
func (r *Relay) grace(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(graceTime, cancel) })
	return later, func() {
		stop()
		cancel()
	}
}
