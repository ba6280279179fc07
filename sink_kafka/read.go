package kafkasink

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// outgoing is an event on its way.
type outgoing struct {
	seq     int64
	made    time.Time
	topic   string
	message kafka.Message
	size    int
	bad     error // why no message could be made of the row
}

const (
	maxPageBytes = 16 << 20 // bounds what is read at once
	encodeAhead  = 50       // messages
	maxExpected  = 10_000   // events
)

// page is a part of the outbox, in order.
type page struct {
	events []outgoing
	last   bool // there was no more when it was read
}

// read reads a page of up to so many of the rows after seq.
func (r *Relay) read(ctx context.Context, conn bun.IConn, after int64, limit int) (page, error) {
	rows, err := r.db.NewSelect().Conn(conn).TableExpr("? AS e", r.sink.cfg.outbox().Expr()).ColumnExpr("?", eventrow.Columns(r.db)).
		Where("e.seq > ?", after).OrderExpr("e.seq LIMIT ?", limit).Rows(ctx) // Limit takes another type of number in newer versions of Bun
	if err != nil {
		return page{}, fmt.Errorf("read outbox: %w", err)
	}
	defer func() { _ = rows.Close() }()
	p := page{last: true}
	if limit > glance { // of a backlog, so that the page is full as a rule
		p.events = make([]outgoing, 0, min(limit, maxExpected))
	}
	size := 0
	var row eventrow.Row
	fields := row.Fields(r.db.Dialect().Name())
	enc := newEncoder(r.sink.cfg.Source, encodeAhead)
	for rows.Next() {
		if size >= maxPageBytes {
			p.last = false
			break
		}
		row.Seq = 0
		err := rows.Scan(fields...)
		if err != nil && row.Seq == 0 { // not for what is in the row
			return page{}, fmt.Errorf("read outbox: %w", err)
		}
		out := r.outgoing(enc, &row, err)
		size += out.size
		p.events = append(p.events, out)
	}
	if err := rows.Err(); err != nil {
		return page{}, fmt.Errorf("read outbox: %w", err)
	}
	if len(p.events) == limit {
		p.last = false
	}
	r.adapt(len(p.events), size)
	return p, nil
}

// adapt sets how many rows to read next: what a driver reads it reads whole,
// also where we stop halfway.
func (r *Relay) adapt(n, size int) {
	r.limit = r.cfg.Batch
	if n > 0 {
		r.limit = max(1, min(r.limit, maxPageBytes/max(1, size/n)))
	}
}

// outgoing makes a message of a row, unless bad says why it couldn't be read.
func (r *Relay) outgoing(enc *encoder, row *eventrow.Row, bad error) outgoing {
	if bad != nil {
		return outgoing{seq: row.Seq, made: time.Now(), topic: r.sink.cfg.Topic, bad: fmt.Errorf("kafkasink: read event: %w", bad)}
	}
	out := outgoing{seq: row.Seq, made: row.Time.Time(), topic: r.sink.cfg.Topic}
	topic, err := r.sink.cfg.topicOf(row)
	if err != nil {
		out.bad = err
	} else {
		out.topic = topic
		out.message, out.bad = enc.encode(row)
	}
	out.size = sizeOf(&out.message)
	return out
}

// pager reads the outbox from its start, page by page, so that no page has an
// event that depends on one that an earlier page should have had. A later query
// may see the event of a transaction that has committed meanwhile, and not the one
// below it that was passed by; so the pages are of one snapshot. SQLite has one
// writer at a time: there, what comes later is always above.
type pager struct {
	relay *Relay
	conn  bun.IConn
	after int64
	done  func()
}

func (r *Relay) newPager(ctx context.Context) (*pager, error) {
	if r.db.Dialect().Name() == dialect.SQLite {
		return &pager{relay: r, conn: r.db.DB, done: func() {}}, nil
	}
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open snapshot of outbox: %w", err)
	}
	return &pager{relay: r, conn: tx.Tx, done: func() { _ = tx.Rollback() }}, nil
}

func (p *pager) next(ctx context.Context) (page, error) {
	pg, err := p.relay.read(ctx, p.conn, p.after, p.relay.limit)
	if n := len(pg.events); n > 0 {
		p.after = pg.events[n-1].seq
	}
	return pg, err
}
