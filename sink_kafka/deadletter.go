package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// DeadLetter is an event that brokers refused for what it is, so that trying
// again can't help: too large, for example. Or it is one that [Config.TopicOf] could
// name no topic for, or a row of the outbox that somebody has damaged, so that no
// event can be read from it.
type DeadLetter struct {
	// Seq numbers the dead letters in the order in which they failed.
	Seq   int64
	Event sink.Event

	Topic    string // where it was to go: Config.Topic where that isn't known
	Error    string // why, in the words of the broker where that has refused it
	FailedAt time.Time
}

// maxReason bounds the reason that is kept of a dead letter or of a message that was
// set aside. It may be a text of the user's own code.
const maxReason = 2000

// reasonOf is the text of an error, as much of it as is kept.
func reasonOf(err error) string {
	text := err.Error()
	return eventrow.Clean(text[:min(len(text), maxReason)])
}

// moveToDead moves a row as it is: what can't be made an event of is kept too.
func (r *Relay) moveToDead(ctx context.Context, e *outgoing, why error) error {
	return r.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		columns := eventColumns(r.db)
		_, err := tx.NewRaw("INSERT INTO ? (?, topic, error, failed_at) SELECT ?, ?, ?, ? FROM ? WHERE seq = ?",
			r.sink.table(deadEnding).Expr(), columns, columns, e.topic, reasonOf(why), eventrow.NewTime(time.Now()),
			r.sink.cfg.outbox().Expr(), e.seq).Exec(ctx)
		if err != nil {
			return fmt.Errorf("insert dead letter: %w", err)
		}
		return r.deleteRows(ctx, tx.Tx, []int64{e.seq}, false)
	})
}

// DeadLetters iterates over the dead letters, in the order in which they failed.
// It reads them in small pages, and ends with the first error of the database. Where
// a row is no event, the dead letter has of it what could be read of ID and Table.
func (r *Relay) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	pages := inPages(func(after int64, most int) ([]DeadLetter, error) { return r.deadLetters(ctx, after, most) },
		func(d *DeadLetter) int64 { return d.Seq })
	return func(yield func(DeadLetter, error) bool) {
		for d, err := range pages {
			if err != nil {
				yield(DeadLetter{}, fmt.Errorf("kafkasink: read dead letters: %w", err))
				return
			}
			if !yield(*d, nil) {
				return
			}
		}
	}
}

// deadLetters returns those after seq, up to so many.
func (r *Relay) deadLetters(ctx context.Context, after int64, most int) (letters []DeadLetter, err error) {
	rows, err := r.db.NewSelect().TableExpr("? AS e", r.sink.table(deadEnding).Expr()).
		ColumnExpr("e.topic, e.error, e.failed_at").ColumnExpr("?", eventrow.Columns(r.db)).
		Where("e.seq > ?", after).OrderExpr("e.seq LIMIT ?", most).Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d DeadLetter
		var row eventrow.Row
		var failedAt eventrow.Time
		bad := rows.Scan(append([]any{&d.Topic, &d.Error, &failedAt}, row.Fields(r.db.Dialect().Name())...)...)
		if bad != nil && row.Seq == 0 {
			return nil, bad
		}
		d.Seq, d.FailedAt = row.Seq, failedAt.Time()
		if bad == nil {
			d.Event, bad = row.ToEvent()
		}
		if bad != nil {
			d.Event = sink.Event{ID: row.ID, Table: row.Table} // the row is why it failed
		}
		letters = append(letters, d)
	}
	return letters, rows.Err()
}

// Requeue puts dead letters, named by their Seq, at the end of the outbox, for
// when what made brokers refuse them was changed. It returns how many there were.
// The later events of their rows have been published before them.
func (r *Relay) Requeue(ctx context.Context, seqs ...int64) (int, error) {
	if len(seqs) == 0 {
		return 0, nil
	}
	moved := int64(0)
	err := r.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		dead, columns, which := r.sink.table(deadEnding).Expr(), eventColumns(r.db), bun.In(seqs)
		// First, so that another who requeues the same waits, and finds none of them.
		if _, err := tx.NewRaw("UPDATE ? SET topic = topic WHERE seq IN (?)", dead, which).Exec(ctx); err != nil {
			return err
		}
		res, err := tx.NewRaw("INSERT INTO ? (?) SELECT ? FROM ? WHERE seq IN (?) ORDER BY seq",
			r.sink.cfg.outbox().Expr(), columns, columns, dead, which).Exec(ctx)
		if err != nil {
			return err
		}
		if moved, err = res.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.NewRaw("DELETE FROM ? WHERE seq IN (?)", dead, which).Exec(ctx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("kafkasink: requeue dead letters: %w", err)
	}
	r.sink.Committed(ctx)
	return int(moved), nil
}

// eventColumns are the columns of an event but seq, quoted.
func eventColumns(db *bun.DB) bun.Safe {
	var names []string
	for _, f := range db.Table(reflect.TypeFor[eventrow.Row]()).DataFields {
		names = append(names, string(f.SQLName))
	}
	return bun.Safe(strings.Join(names, ", "))
}
