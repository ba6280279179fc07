package pgproxy_test

import (
	"database/sql"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/internal/pgproxy"
	"github.com/sqlaudit/bun/internal/testdb"
)

// through opens a pool of one connection that goes through a proxy, and has
// connected already.
func through(t *testing.T, delay time.Duration) (*pgproxy.Proxy, *sql.DB) {
	t.Helper()
	proxy, err := pgproxy.Start(testdb.New(t, testdb.Postgres).DSN, delay)
	require.NoError(t, err)
	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(proxy.DSN())))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		require.NoError(t, db.Close())
		require.NoError(t, proxy.Close())
	})
	require.NoError(t, db.PingContext(t.Context()))
	return proxy, db
}

func TestRoundTripsAreCounted(t *testing.T) {
	proxy, db := through(t, 0)
	exec := func(query string) func(t *testing.T) {
		return func(t *testing.T) {
			_, err := db.ExecContext(t.Context(), query)
			require.NoError(t, err)
		}
	}
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
		want int64
	}{
		{"a statement", exec("SELECT 1"), 1},
		{"two statements in one text", exec("SELECT 1; SELECT 2"), 1},
		{"an answer of a megabyte", exec("SELECT repeat('x', 100) FROM generate_series(1, 10000)"), 1},
		{"a text of a megabyte", exec("SELECT length(repeat('x', 1)) /*" + string(make1MB()) + "*/"), 1},
		{"a notice", exec("DO $$ BEGIN RAISE NOTICE 'Z'; END $$"), 1},
		{"an error", func(t *testing.T) {
			_, err := db.ExecContext(t.Context(), "SELECT 1/0")
			require.ErrorContains(t, err, "division by zero")
		}, 1},
		{"a transaction of two statements", func(t *testing.T) {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			for range 2 {
				_, err = tx.ExecContext(t.Context(), "SELECT 1")
				require.NoError(t, err)
			}
			require.NoError(t, tx.Commit())
		}, 4},
		{"a prepared statement, executed twice", func(t *testing.T) {
			stmt, err := db.PrepareContext(t.Context(), "SELECT $1::int")
			require.NoError(t, err)
			for n := range 2 {
				_, err = stmt.ExecContext(t.Context(), n)
				require.NoError(t, err)
			}
			require.NoError(t, stmt.Close()) // by Flush: not counted
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := proxy.RoundTrips()
			c.run(t)
			require.Equal(t, c.want, proxy.RoundTrips()-before)
		})
	}
}

func make1MB() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = 'Z'
	}
	return b
}

func TestAnAnswerIsLateOnceHoweverLongItIs(t *testing.T) {
	const delay = 100 * time.Millisecond
	_, db := through(t, delay)
	began := time.Now()
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT 1").Scan(&n))
	require.GreaterOrEqual(t, time.Since(began), delay)

	began = time.Now()
	rows, err := db.QueryContext(t.Context(), "SELECT repeat('x', 1000) FROM generate_series(1, 2000)") // some 120 packets
	require.NoError(t, err)
	for rows.Next() {
		n++
	}
	require.NoError(t, rows.Err())
	require.Equal(t, 2001, n)
	require.Less(t, time.Since(began), 60*delay)
}

func TestTLSIsDeclined(t *testing.T) {
	proxy, _ := through(t, 0)
	conn, err := net.Dial("tcp", hostOf(t, proxy))
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}) // SSLRequest
	require.NoError(t, err)
	answer := make([]byte, 1)
	_, err = conn.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "N", string(answer))
}

func TestCloseEndsConnectionsAndWaitingOnes(t *testing.T) {
	proxy, db := through(t, 50*time.Millisecond)
	silent, err := net.Dial("tcp", hostOf(t, proxy)) // has said nothing yet
	require.NoError(t, err)
	defer silent.Close()

	failed := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(t.Context(), "SELECT pg_sleep(60)")
		failed <- err
	}()
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	require.NoError(t, proxy.Close())
	require.Less(t, time.Since(began), 30*time.Second)
	require.Error(t, <-failed)
	_, err = silent.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = net.Dial("tcp", hostOf(t, proxy))
	require.Error(t, err)
	require.NoError(t, proxy.Close(), "again")
}

func TestAClientIsHungUpOnWhereTheServerIsGone(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	proxy, err := pgproxy.Start("postgres://u@"+gone.Addr().String()+"/db?sslmode=disable", 0)
	require.NoError(t, err)
	defer proxy.Close()
	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(proxy.DSN())))
	defer db.Close()
	require.Error(t, db.PingContext(t.Context()))
}

func TestStartSaysWhatIsWrongWithTheName(t *testing.T) {
	for _, dsn := range []string{"", "host=localhost password=secret", "postgres://u:secret@%zz/"} {
		_, err := pgproxy.Start(dsn, 0)
		require.ErrorContains(t, err, "not a URL with a host")
		require.NotContains(t, err.Error(), "secret")
	}
}

func hostOf(t *testing.T, p *pgproxy.Proxy) string {
	t.Helper()
	u, err := url.Parse(p.DSN())
	require.NoError(t, err)
	return u.Host
}
