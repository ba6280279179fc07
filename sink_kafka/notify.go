package kafkasink

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

// notifyEvery is the time between two NOTIFYs of a program, however many commits
// there are: each takes a lock of the whole server for a moment.
const notifyEvery = 20 * time.Millisecond

// notifyTimeout bounds a NOTIFY: what isn't sent by then the next poll makes good.
const notifyTimeout = time.Second

// notifier tells other processes of commits.
type notifier struct {
	db   *bun.DB
	stmt string
	due  atomic.Bool // whether one is going to be sent
	last atomic.Int64
}

func newNotifier(cfg Config) *notifier {
	if cfg.Notify == nil {
		return nil
	}
	return &notifier{db: cfg.Notify, stmt: cfg.Notify.NewRaw("NOTIFY ?", bun.Ident(cfg.channel())).String()}
}

// channel is the PostgreSQL channel of the outbox.
func (c Config) channel() string { return c.Table }

// committed has a NOTIFY sent soon. It comes after the commit, since a transaction
// that has one in it holds the server's lock while it commits.
func (n *notifier) committed() {
	if !n.due.CompareAndSwap(false, true) {
		return
	}
	go func() { // it ends within notifyEvery and notifyTimeout
		time.Sleep(min(notifyEvery, time.Until(time.UnixMilli(n.last.Load()).Add(notifyEvery)))) // a clock may be set back
		n.last.Store(time.Now().UnixMilli())
		n.due.Store(false) // a commit from here on is told of by the next one
		ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
		defer cancel()
		// Without Bun, whose hooks are not to see it. An error is left to the polls.
		_, _ = n.db.DB.ExecContext(ctx, n.stmt)
	}()
}
