package kafkasink_test

import (
	"bytes"
	"context"
	"database/sql"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/internal/testdb"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
)

// interrupted is a connection to PostgreSQL whose reader gives up in the middle of
// what a COPY sends.
type interrupted struct {
	net.Conn
	times *atomic.Int64 // that it shall happen
	late  *atomic.Int64 // what was asked for after it happened

	copying, broken bool
	got             int
}

func (c *interrupted) Write(p []byte) (int, error) {
	if c.broken {
		c.late.Add(1)
	}
	c.copying, c.got = bytes.Contains(p, []byte("COPY (")), 0
	return c.Conn.Write(p)
}

func (c *interrupted) Read(p []byte) (int, error) {
	if c.copying && c.got > 10_000 && c.times.Add(-1) >= 0 {
		c.broken = true
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.Conn.Read(p)
	c.got += n
	return n, err
}

// Where the reading of a page ends halfway, its connection is given up, with the half
// that is still to come: no other query gets that for an answer, and no event is missed.
func TestReadingThatEndsHalfwayIsBegunAnew(t *testing.T) {
	t.Parallel()
	db := testdb.New(t, testdb.Postgres)
	s := newService(t, db, kafkasink.Config{})
	const n, times = 1000, 3
	many := make([]Customer, n)
	_, err := s.NewInsert().Model(&many).Exec(t.Context())
	require.NoError(t, err)

	var left, late atomic.Int64
	left.Store(times)
	connector := pgdriver.NewConnector(pgdriver.WithDSN(db.DSN))
	dial := connector.Config().Dialer
	connector.Config().Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &interrupted{Conn: conn, times: &left, late: &late}, nil
	}
	pool := bun.NewDB(sql.OpenDB(connector), pgdialect.New())
	defer func() { assert.NoError(t, pool.Close()) }()
	cfg := quick()
	cfg.Batch = 400
	stop := start(t, kafkasink.NewRelay(pool, s.sink, cfg))
	s.drain(t)
	stop()
	assert.Negative(t, left.Load(), "it was interrupted %d times", times)
	assert.Zero(t, late.Load(), "queries on a connection whose answer is half read")
	assert.Len(t, firsts(t, s.published(t)), n)
}
