package kafkasink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// Rejected is a message that a mirror could not read or store.
type Rejected struct {
	Seq        int64 // numbers them in the order in which they were set aside
	Message    kafka.Message
	Reason     string
	RejectedAt time.Time
}

type rejectedRow struct {
	bun.BaseModel `bun:"table:audit_mirror_rejected,alias:r"`

	Seq        int64         `bun:"seq,pk,autoincrement"`
	Topic      string        `bun:"topic"`
	Partition  int64         `bun:"partition_id"`
	Offset     int64         `bun:"message_offset"`
	Reason     string        `bun:"reason"`
	Key        []byte        `bun:"message_key"`
	Value      []byte        `bun:"message_value"`
	Headers    string        `bun:"headers"`
	RejectedAt eventrow.Time `bun:"rejected_at"`
}

func newRejected(m *kafka.Message, why error) rejectedRow {
	headers, _ := json.Marshal(m.Headers) // texts and bytes: can't fail
	return rejectedRow{Topic: m.Topic, Partition: int64(m.Partition), Offset: m.Offset, Reason: reasonOf(why), Key: m.Key, Value: m.Value,
		Headers: string(headers), RejectedAt: eventrow.NewTime(time.Now())}
}

func (r *rejectedRow) message() kafka.Message {
	m := kafka.Message{Topic: r.Topic, Partition: int(r.Partition), Offset: r.Offset, Key: r.Key, Value: r.Value}
	_ = json.Unmarshal([]byte(r.Headers), &m.Headers) // as newRejected has written it
	return m
}

// Rejected iterates over the messages that were set aside, in the order in which
// they were. It reads them in small pages, and ends with the first error.
func (m *Mirror) Rejected(ctx context.Context) iter.Seq2[Rejected, error] {
	return func(yield func(Rejected, error) bool) {
		for row, err := range m.rejectedRows(ctx) {
			if err != nil {
				yield(Rejected{}, fmt.Errorf("kafkasink: read rejected messages: %w", err))
				return
			}
			if !yield(Rejected{Seq: row.Seq, Message: row.message(), Reason: row.Reason, RejectedAt: row.RejectedAt.Time()}, nil) {
				return
			}
		}
	}
}

func (m *Mirror) rejectedRows(ctx context.Context) iter.Seq2[*rejectedRow, error] {
	read := func(after int64, most int) (rows []rejectedRow, err error) {
		err = m.db.NewSelect().Model(&rows).ModelTableExpr("? AS r", m.rejected().Expr()).
			Where("r.seq > ?", after).OrderExpr("r.seq LIMIT ?", most).Scan(ctx)
		return rows, err
	}
	return inPages(read, func(r *rejectedRow) int64 { return r.Seq })
}

// Retry stores the messages that were set aside and can be read by now, by a newer
// version of this package, say. It returns how many. They come after the events
// of their rows that were stored meanwhile.
func (m *Mirror) Retry(ctx context.Context) (int, error) {
	n := 0
	for row, err := range m.rejectedRows(ctx) {
		if err != nil {
			return n, fmt.Errorf("kafkasink: retry rejected messages: %w", err)
		}
		message := row.message()
		event, err := m.read(&message)
		if err != nil {
			continue
		}
		err = m.storeRejected(ctx, row, event)
		switch {
		case err == nil:
			n++
		case !isRefusedValue(err):
			return n, fmt.Errorf("kafkasink: retry rejected messages: %w", err)
		}
	}
	return n, nil
}

func (m *Mirror) storeRejected(ctx context.Context, row *rejectedRow, event eventrow.Row) error {
	return m.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model(row).ModelTableExpr("?", m.rejected().Expr()).Where("seq = ?", row.Seq).Exec(ctx)
		_, insertErr := m.events.InsertNew(ctx, m.db, tx, [][]eventrow.Row{{event}})
		return errors.Join(err, insertErr)
	})
}
