package kafkasink

import (
	"context"
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
// again can't help: too large, for example.
type DeadLetter struct {
	// Seq numbers the dead letters in the order in which they failed.
	Seq   int64
	Event sink.Event

	Topic    string
	Error    string // why, in the words of the broker
	FailedAt time.Time
}

// deadRow is a row of the table of dead letters: that of the outbox, and why.
type deadRow struct {
	bun.BaseModel `bun:"table:audit_outbox_dead,alias:e"`
	eventrow.Row

	Topic    string        `bun:"topic"`
	Error    string        `bun:"error"`
	FailedAt eventrow.Time `bun:"failed_at"`
}

// moveToDead moves a row as it is: what can't be made an event of is kept too.
func (r *Relay) moveToDead(ctx context.Context, e *outgoing, why error) error {
	return r.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		columns := eventColumns(r.db)
		_, err := tx.NewRaw("INSERT INTO ? (?, topic, error, failed_at) SELECT ?, ?, ?, ? FROM ? WHERE seq = ?",
			r.sink.table(deadEnding).Expr(), columns, columns, e.topic, why.Error(), eventrow.NewTime(time.Now()),
			r.sink.cfg.outbox().Expr(), e.seq).Exec(ctx)
		if err != nil {
			return fmt.Errorf("insert dead letter: %w", err)
		}
		return r.deleteRows(ctx, tx.Tx, []int64{e.seq}, false)
	})
}

// DeadLetters iterates over the dead letters, in the order in which they failed.
// It reads them in small pages, and ends with the first error.
func (r *Relay) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	const pageSize = 100
	return func(yield func(DeadLetter, error) bool) {
		for after := int64(0); ; {
			var rows []deadRow
			err := r.db.NewSelect().Model(&rows).ModelTableExpr("? AS e", r.sink.table(deadEnding).Expr()).
				Where("e.seq > ?", after).OrderExpr("e.seq").Limit(pageSize).Scan(ctx)
			if err != nil {
				yield(DeadLetter{}, fmt.Errorf("kafkasink: read dead letters: %w", err))
				return
			}
			for i := range rows {
				row := &rows[i]
				after = row.Seq
				d := DeadLetter{Seq: row.Seq, Topic: row.Topic, Error: row.Error, FailedAt: row.FailedAt.Time()}
				if d.Event, err = row.ToEvent(); err != nil {
					d.Event = sink.Event{ID: row.ID, Table: row.Table} // the row is why it failed
				}
				if !yield(d, nil) {
					return
				}
			}
			if len(rows) < pageSize {
				return
			}
		}
	}
}

// Requeue puts dead letters, named by their Seq, at the end of the outbox, for
// when what made brokers refuse them was changed. It returns how many there were.
// The later events of their rows have been published before them.
func (r *Relay) Requeue(ctx context.Context, seqs ...int64) (int, error) {
	if len(seqs) == 0 {
		return 0, nil
	}
	dead := r.sink.table(deadEnding).Expr()
	moved := 0
	err := r.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var rows []deadRow
		if err := tx.NewSelect().Model(&rows).ModelTableExpr("? AS e", dead).Where("e.seq IN (?)", bun.In(seqs)).OrderExpr("e.seq").Scan(ctx); err != nil {
			return err
		}
		for i := range rows {
			res, err := tx.NewDelete().Model((*deadRow)(nil)).ModelTableExpr("?", dead).Where("seq = ?", rows[i].Seq).Exec(ctx)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				continue // another has just done it
			}
			rows[i].Seq = 0
			if err := r.sink.cfg.outbox().Insert(ctx, r.db, tx, [][]eventrow.Row{{rows[i].Row}}); err != nil {
				return err
			}
			moved++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("kafkasink: requeue dead letters: %w", err)
	}
	r.sink.Committed(ctx)
	return moved, nil
}

// eventColumns are the columns of an event but seq, quoted.
func eventColumns(db *bun.DB) bun.Safe {
	var names []string
	for _, f := range db.Table(reflect.TypeFor[eventrow.Row]()).DataFields {
		names = append(names, string(f.SQLName))
	}
	return bun.Safe(strings.Join(names, ", "))
}
