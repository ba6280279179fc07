package kafkasink

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// lease makes one of several relays the one that works. It is a row that the
// holder changes again and again; who has seen it unchanged for as long as the
// row itself says takes it over. Nobody's clock is compared with another's.
//
// Nothing false happens where two believe that they hold it: each would publish
// all that is there in its order, and events would only be published twice.
type lease struct {
	db    *bun.DB
	table eventrow.Table
	ttl   time.Duration

	gained chan struct{} // receives a value when the lease was gained

	// Used by one goroutine at a time.
	holder    string
	ours      leaseRow // as we have written it
	seen      leaseRow // another's, as it was last read
	seenSince time.Time

	mu    sync.Mutex
	until time.Time // the lease is ours before that, by the monotonic clock
}

type leaseRow struct {
	bun.BaseModel `bun:"table:audit_outbox_lease,alias:l"`

	Name   string `bun:"name,pk"`
	Holder string `bun:"holder"` // empty: nobody
	Term   int64  `bun:"term"`   // counts the holders
	Beat   int64  `bun:"beat"`   // counts the changes
	TTL    int64  `bun:"ttl_ms"`
}

const leaseName = "relay"

// start gives the lease's next holder a name that no other run has.
func (l *lease) start(name string) {
	if len(name) > 200 {
		name = name[:200]
	}
	l.holder = name + " " + rand.Text()[:10]
	l.gained = make(chan struct{}, 1)
}

func (l *lease) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

// interval is how often the lease is renewed, or looked at.
func (l *lease) interval() time.Duration { return min(l.ttl/3, time.Second) }

// step renews the lease where it is ours, and takes it where that is due. It
// reports whether the lease is ours and whether it was not before.
func (l *lease) step(ctx context.Context) (held, gained bool, err error) {
	began := time.Now()
	row := leaseRow{Name: leaseName}
	err = l.db.NewSelect().Model(&row).ModelTableExpr("? AS l", l.table.Expr()).WherePK().Scan(ctx)
	if isNoRows(err) {
		// Where another has just done the same this fails, and the next step sees it.
		row = leaseRow{Name: leaseName}
		_, err = l.db.NewInsert().Model(&row).ModelTableExpr("?", l.table.Expr()).Exec(ctx)
	}
	if err != nil {
		return l.held(), false, err
	}
	mine := row.Holder == l.holder
	if !mine {
		l.expire()
		if row != l.seen {
			l.seen, l.seenSince = row, began
		}
		if row.Holder != "" && time.Since(l.seenSince) < time.Duration(row.TTL)*time.Millisecond {
			return false, false, nil
		}
	}
	next := leaseRow{Name: leaseName, Holder: l.holder, Term: row.Term, Beat: row.Beat + 1, TTL: l.ttl.Milliseconds()}
	if !mine {
		next.Term++
	}
	changed, err := l.replace(ctx, row, next)
	if err != nil || !changed {
		return false, false, err
	}
	l.ours = next
	gained = !l.held() // also where it had run out
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = began.Add(l.ttl)
	return true, gained, nil
}

func (l *lease) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
}

// replace writes next where the row still is what it was.
func (l *lease) replace(ctx context.Context, was, next leaseRow) (bool, error) {
	res, err := l.db.NewUpdate().Model(&next).ModelTableExpr("? AS l", l.table.Expr()).WherePK().
		Where("term = ?", was.Term).Where("beat = ?", was.Beat).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// resign leaves the lease to whoever looks next.
func (l *lease) resign(ctx context.Context) error {
	if !l.held() {
		return nil
	}
	l.expire()
	next := l.ours
	next.Holder, next.Beat = "", next.Beat+1
	_, err := l.replace(ctx, l.ours, next)
	return err
}

// keepLease renews the lease, or waits for it, until ctx ends.
func (r *Relay) keepLease(ctx context.Context) {
	for {
		r.stepLease(ctx)
		r.figures.measure(ctx, r)
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.lease.interval()):
		}
	}
}

func (r *Relay) stepLease(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, r.lease.ttl)
	defer cancel()
	held, gained, err := r.lease.step(limited)
	r.figures.leads(held)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.failed(ctx, "kafkasink: can't renew or take the lease", err)
	case gained:
		r.log.InfoContext(ctx, "kafkasink: this relay works now", "table", r.sink.cfg.Table)
		signal(r.lease.gained)
	}
}

// resign gives up the lease although ctx has ended.
func (r *Relay) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignTimeout)
	defer cancel()
	if err := r.lease.resign(ctx); err != nil {
		r.log.WarnContext(ctx, "kafkasink: can't give up the lease, which will run out", "error", err)
	}
	r.figures.leads(false)
}

const resignTimeout = 5 * time.Second
