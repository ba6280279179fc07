package kafkasink

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// position is how far a partition was mirrored.
type position struct {
	next   int64  // the offset to read
	digest string // of the message before it
	stored bool   // it is in the database
}

// positionRow is a position as a row of the table.
type positionRow struct {
	bun.BaseModel `bun:"table:audit_mirror,alias:p"`

	Topic     string `bun:"topic,pk"`
	Partition int64  `bun:"partition_id,pk"`
	Next      int64  `bun:"next_offset"`
	Digest    string `bun:"last_digest"`
}

// errMoved means that the position in the database is not what it was.
var errMoved = errors.New("another mirror of this database has gone on")

func (m *Mirror) load(ctx context.Context, at Partition) (position, error) {
	row := positionRow{Topic: at.Topic, Partition: int64(at.Partition)}
	err := m.db.NewSelect().Model(&row).ModelTableExpr("? AS p", m.state.Expr()).WherePK().Scan(ctx)
	switch {
	case isNoRows(err):
		return position{}, nil
	case err != nil:
		return position{}, fmt.Errorf("read position: %w", err)
	}
	return position{next: row.Next, digest: row.Digest, stored: true}, nil
}

// store stores messages, and that they are stored, in one transaction.
func (m *Mirror) store(ctx context.Context, at Partition, from position, messages []kafka.Message) (position, error) {
	to, err := m.tryStore(ctx, at, from, messages, nil)
	if err == nil || !isRefusedValue(err) {
		return to, err
	}
	if len(messages) == 1 {
		return m.tryStore(ctx, at, from, messages, err)
	}
	for i := range messages { // one of them is to blame
		if from, err = m.store(ctx, at, from, messages[i:i+1]); err != nil {
			return from, err
		}
	}
	return from, nil
}

// tryStore stores the messages as events, or, with a reason, aside.
func (m *Mirror) tryStore(ctx context.Context, at Partition, from position, messages []kafka.Message, reason error) (position, error) {
	var events []eventrow.Row
	var aside []rejectedRow
	for i := range messages {
		e, err := m.read(&messages[i])
		if err == nil {
			err = reason
		}
		if err != nil {
			aside = append(aside, newRejected(&messages[i], err))
			continue
		}
		events = append(events, e)
	}
	last := &messages[len(messages)-1]
	to := position{next: last.Offset + 1, digest: digest(last), stored: true}
	var stored int64
	err := m.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		// First, so that another mirror waits here, and SQLite knows that we write.
		if err := m.move(ctx, tx, at, from, to); err != nil {
			return err
		}
		var err error
		if stored, err = m.events.InsertNew(ctx, m.db, tx, eventrow.Batches(events)); err != nil {
			return fmt.Errorf("insert events: %w", err)
		}
		if len(aside) == 0 {
			return nil
		}
		if _, err = tx.NewInsert().Model(&aside).ModelTableExpr("?", m.rejected().Expr()).ExcludeColumn("seq").Exec(ctx); err != nil {
			return fmt.Errorf("insert rejected messages: %w", err)
		}
		return nil
	})
	if err != nil {
		return from, err
	}
	for _, r := range aside {
		m.log.ErrorContext(ctx, "kafkasink: a message can't be mirrored and was set aside",
			"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "reason", r.Reason)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.figures.Stored += stored
	m.figures.Duplicates += int64(len(events)) - stored
	m.figures.Rejected += int64(len(aside))
	return to, nil
}

// read makes the row of a message's event.
func (m *Mirror) read(message *kafka.Message) (eventrow.Row, error) {
	decoded, err := Decode(*message)
	if err != nil {
		return eventrow.Row{}, err
	}
	if err := m.edit(&decoded); err != nil {
		return eventrow.Row{}, err
	}
	return eventrow.FromEvent(&decoded.Event)
}

func (m *Mirror) edit(message *Message) error {
	if m.cfg.Edit == nil {
		return nil
	}
	return guard(m.log, "MirrorConfig.Edit", message.Event.ID, func() { m.cfg.Edit(message) })
}

// move changes the position, where it is what it was.
func (m *Mirror) move(ctx context.Context, tx bun.Tx, at Partition, from, to position) error {
	row := positionRow{Topic: at.Topic, Partition: int64(at.Partition), Next: to.next, Digest: to.digest}
	if !from.stored {
		_, err := tx.NewInsert().Model(&row).ModelTableExpr("?", m.state.Expr()).Exec(ctx)
		if err != nil {
			// Also where another was faster. The cause is hidden from isRefusedValue: no
			// message is to blame.
			return errors.New("note position: " + err.Error())
		}
		return nil
	}
	res, err := tx.NewUpdate().Model(&row).ModelTableExpr("? AS p", m.state.Expr()).WherePK().Where("next_offset = ?", from.next).Exec(ctx)
	if err != nil {
		return fmt.Errorf("note position: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errMoved)
	}
	return nil
}

// Restart forgets how far the mirror is: it reads what the topics hold now from
// their start, and tells the events that are stored already by their ids. It is the
// way on after [ErrGap] and [ErrRecreated], once it is known why. What was deleted
// from a topic before it was mirrored stays missing.
func (m *Mirror) Restart(ctx context.Context) error {
	_, err := m.db.NewDelete().Model((*positionRow)(nil)).ModelTableExpr("?", m.state.Expr()).Where("topic IN (?)", bun.In(m.topics)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("kafkasink: restart mirror: %w", err)
	}
	return nil
}
