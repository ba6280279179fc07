package bunaudit_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// hookCases are statements whose text is the same each time.
func hookCases() map[string]func(ctx context.Context, db bun.IDB) error {
	return map[string]func(ctx context.Context, db bun.IDB) error{
		"insert": func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewInsert().Model(&Customer{Name: "a", Email: "a@example.org"}).Exec(ctx)
			return err
		},
		"update": func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewUpdate().Model(&Customer{ID: 1, Name: "b", Email: "b@example.org", Score: 2}).WherePK().Exec(ctx)
			return err
		},
		"delete": func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewDelete().Model(&Customer{ID: 2}).WherePK().Exec(ctx)
			return err
		},
		"upsert": func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewInsert().Model(&Customer{ID: 3, Name: "d"}).On("CONFLICT (id) DO UPDATE").
				Set("name = EXCLUDED.name").Exec(ctx)
			return err
		},
	}
}

// remembered returns a pool with the hook and one without it, on connections
// that ask PostgreSQL once for each text and then answer at once: what is left
// is the time and the memory of Bun and of the hook.
func remembered(tb testing.TB) (plain, audited *bun.DB) {
	tb.Helper()
	db := testdb.New(tb, testdb.Postgres)
	events := sqlsink.New()
	require.NoError(tb, events.CreateTable(tb.Context(), db))
	_, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(tb.Context())
	require.NoError(tb, err)
	_, err = db.ExecContext(tb.Context(), "INSERT INTO customers (name, score) SELECT 'x', 0 FROM generate_series(1, 10); "+
		"SELECT setval('customers_id_seq', 100)")
	require.NoError(tb, err)
	open := func() *bun.DB {
		pool := bun.NewDB(sql.OpenDB(&memory{
			Connector: pgdriver.NewConnector(pgdriver.WithDSN(db.DSN)), answers: make(map[string]*answer),
		}), pgdialect.New())
		tb.Cleanup(func() { _ = pool.Close() })
		return pool
	}
	plain, audited = open(), open()
	// Two events of one statement have different IDs: so do those of two statements.
	const id = "01a20d4e-e725-7bb0-8fe2-9bd399b2ba8a"
	now := time.Now()
	audited.AddQueryHook(bunaudit.New(bunaudit.Config{
		Sink:  events,
		Actor: func(context.Context) (sink.Actor, error) { return sink.Actor{ID: "42", Type: "user"}, nil },
		Now:   func() time.Time { return now },
		NewID: func() string { return id },
	}))
	return plain, audited
}

// BenchmarkHook measures what Go does for a statement: compare audited with
// plain.
func BenchmarkHook(b *testing.B) {
	for name, run := range hookCases() {
		plain, audited := remembered(b) // each its own: all events have the same ID
		for kind, db := range map[string]*bun.DB{"plain": plain, "audited": audited} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				ctx := b.Context()
				require.NoError(b, run(ctx, db))
				b.ReportAllocs()
				for b.Loop() {
					if err := run(ctx, db); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// memory is a connector whose connections remember what the server has answered
// to a text.
type memory struct {
	driver.Connector

	mu      sync.Mutex
	answers map[string]*answer
}

// answer is what a server said: a result or rows.
type answer struct {
	result  driver.Result
	columns []string
	rows    [][]driver.Value
}

func (m *memory) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := m.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &memoryConn{Conn: c, memory: m}, nil
}

func (m *memory) recall(text string) *answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answers[text]
}

func (m *memory) keep(text string, a *answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[text] = a
}

type memoryConn struct {
	driver.Conn
	memory *memory
}

func (c *memoryConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if a := c.memory.recall(text); a != nil && a.result != nil {
		return a.result, nil
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
	if err == nil {
		c.memory.keep(text, &answer{result: result})
	}
	return result, err
}

func (c *memoryConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if a := c.memory.recall(text); a != nil && a.result == nil {
		return &memoryRows{answer: a}, nil
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
	if err != nil {
		return nil, err
	}
	a := &answer{columns: append([]string(nil), rows.Columns()...)}
	for {
		row := make([]driver.Value, len(a.columns))
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		for i, v := range row {
			if b, ok := v.([]byte); ok { // the driver reuses it
				row[i] = append([]byte(nil), b...)
			}
		}
		a.rows = append(a.rows, row)
	}
	c.memory.keep(text, a)
	return &memoryRows{answer: a}, rows.Close()
}

type memoryRows struct {
	*answer
	next int
}

func (r *memoryRows) Columns() []string { return r.columns }
func (r *memoryRows) Close() error      { return nil }

func (r *memoryRows) Next(dest []driver.Value) error {
	if r.next == len(r.rows) {
		return io.EOF
	}
	copy(dest, r.rows[r.next])
	r.next++
	return nil
}
