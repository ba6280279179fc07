// Package pgproxy is a TCP proxy before a PostgreSQL server that adds latency
// and counts round trips, for tests and benchmarks.
//
//	proxy, err := pgproxy.Start(dsn, time.Millisecond)
//	defer proxy.Close()
//	db := bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(proxy.DSN()))), pgdialect.New())
//	before := proxy.RoundTrips()
//	…
//	fmt.Println(proxy.RoundTrips() - before)
//
// A round trip is a turn of the client that the server has ended by its message
// ReadyForQuery: a simple query, or messages of the extended protocol up to a
// Sync, however many packets they take. Connecting isn't counted. The count is
// up to date when the client has read the answer.
//
// # Limits
//
// TLS is refused, as by a server that has none. Clients that use the message
// Flush wait more often than is counted, as pgdriver does when it closes a
// prepared statement; those that send a second Sync without waiting for the
// answer to the first wait less often.
package pgproxy
