package kafkasink

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// outgoing is an event on its way.
type outgoing struct {
	seq    int64
	made   time.Time
	topic  string
	record record
	bad    error // why no record could be made of the row
}

const (
	maxPageBytes = 16 << 20 // bounds what is read at once
	recordsAhead = 50
	maxExpected  = 10_000 // events
)

// page is a part of the outbox, in order.
type page struct {
	events []outgoing
	last   bool // there was no more when it was read
}

// maker makes a page of rows.
type maker struct {
	relay   *Relay
	records *recorder
	page    page
	size    int
}

func (r *Relay) newMaker(limit int) *maker {
	m := &maker{relay: r, records: newRecorder(r.sink.cfg.Source, recordsAhead), page: page{last: true}}
	if limit > glance { // of a backlog, so that the page is full as a rule
		m.page.events = make([]outgoing, 0, min(limit, maxExpected))
	}
	return m
}

// add adds a row, or what stands for it where bad says why it couldn't be read. It
// returns false, and adds nothing, where the page has as much as it may have.
func (m *maker) add(row *eventrow.Row, bad error) bool {
	if m.size >= maxPageBytes {
		m.page.last = false
		return false
	}
	out := m.relay.outgoing(m.records, row, bad)
	m.size += out.record.size()
	m.page.events = append(m.page.events, out)
	return true
}

// made returns the page, for which up to limit rows were asked for.
func (m *maker) made(limit int) page {
	if len(m.page.events) == limit {
		m.page.last = false
	}
	m.relay.adapt(len(m.page.events), m.size)
	return m.page
}

// pending is the query of up to limit rows after seq. Limit takes another type of number
// in newer versions of Bun.
func (r *Relay) pending(columns bun.Safe, after int64, limit int) *bun.SelectQuery {
	return r.db.NewSelect().TableExpr("? AS e", r.sink.cfg.outbox().Expr()).ColumnExpr("?", columns).
		Where("e.seq > ?", after).OrderExpr("e.seq LIMIT ?", limit)
}

// read reads a page of up to so many of the rows after seq.
func (r *Relay) read(ctx context.Context, conn bun.IConn, after int64, limit int) (page, error) {
	rows, err := r.pending(eventrow.Columns(r.db), after, limit).Conn(conn).Rows(ctx)
	if err != nil {
		return page{}, fmt.Errorf("read outbox: %w", err)
	}
	defer func() { _ = rows.Close() }()
	m := r.newMaker(limit)
	var row eventrow.Row
	fields := row.Fields(r.db.Dialect().Name())
	for rows.Next() {
		row.Seq = 0
		err := rows.Scan(fields...)
		if err != nil && row.Seq == 0 { // not for what is in the row
			return page{}, fmt.Errorf("read outbox: %w", err)
		}
		if !m.add(&row, err) {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return page{}, fmt.Errorf("read outbox: %w", err)
	}
	return m.made(limit), nil
}

// copy is like read for PostgreSQL by pgdriver: it takes this program half of the time.
func (r *Relay) copy(ctx context.Context, conn bun.Conn, after int64, limit int) (page, error) {
	m := r.newMaker(limit)
	rows := &eventrow.CopyReader{Each: func(row *eventrow.Row, bad error) { m.add(row, bad) }}
	query := "COPY (" + r.pending(eventrow.CopyColumns(r.db), after, limit).String() + ") TO STDOUT (FORMAT binary)"
	_, err := pgdriver.CopyTo(ctx, conn, rows, query)
	if err == nil {
		err = rows.Err()
	}
	if err != nil {
		// Part of the answer may be still to come: nobody else shall get it.
		_ = conn.Raw(func(driverConn any) error { return driverConn.(*pgdriver.Conn).Close() })
		return page{}, fmt.Errorf("read outbox: %w", err)
	}
	return m.made(limit), nil
}

// adapt sets how many rows to read next: what a driver reads it reads whole,
// also where we stop halfway.
func (r *Relay) adapt(n, size int) {
	r.limit = r.cfg.Batch
	if n > 0 {
		r.limit = max(1, min(r.limit, maxPageBytes/max(1, size/n)))
	}
}

// outgoing makes a record of a row, unless bad says why it couldn't be read.
func (r *Relay) outgoing(records *recorder, row *eventrow.Row, bad error) outgoing {
	if bad != nil {
		return outgoing{seq: row.Seq, made: time.Now(), topic: r.sink.cfg.Topic, bad: fmt.Errorf("kafkasink: read event: %w", bad)}
	}
	out := outgoing{seq: row.Seq, made: row.Time.Time(), topic: r.sink.cfg.Topic}
	topic, err := r.sink.cfg.topicOf(row)
	if err != nil {
		out.bad = err
	} else {
		out.topic = topic
		out.record, out.bad = records.record(row)
	}
	return out
}

// pager reads the outbox from its start, page by page, so that no page has an
// event that depends on one that an earlier page should have had. A later query
// may see the event of a transaction that has committed meanwhile, and not the one
// below it that was passed by; so the pages are of one snapshot. SQLite has one
// writer at a time: there, what comes later is always above.
type pager struct {
	relay *Relay
	read  func(ctx context.Context, after int64, limit int) (page, error)
	after int64
	done  func()
}

func (r *Relay) newPager(ctx context.Context) (*pager, error) {
	if r.db.Dialect().Name() == dialect.SQLite {
		return &pager{relay: r, read: r.readBy(r.db.DB), done: func() {}}, nil
	}
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open snapshot of outbox: %w", err)
	}
	p := &pager{relay: r, read: r.readBy(tx.Tx)}
	p.done = func() {
		_ = tx.Rollback()
		_ = conn.Close()
	}
	_ = conn.Raw(func(driverConn any) error {
		if _, ok := driverConn.(*pgdriver.Conn); ok {
			p.read = func(ctx context.Context, after int64, limit int) (page, error) {
				return r.copy(ctx, conn, after, limit)
			}
		}
		return nil
	})
	return p, nil
}

func (r *Relay) readBy(conn bun.IConn) func(context.Context, int64, int) (page, error) {
	return func(ctx context.Context, after int64, limit int) (page, error) {
		return r.read(ctx, conn, after, limit)
	}
}

func (p *pager) next(ctx context.Context) (page, error) {
	pg, err := p.read(ctx, p.after, p.relay.limit)
	if n := len(pg.events); n > 0 {
		p.after = pg.events[n-1].seq
	}
	return pg, err
}
