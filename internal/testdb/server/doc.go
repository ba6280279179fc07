// Server starts the database servers, and the Kafka broker, that the tests need, on a machine that has none, and stops them.
//
//	server run [-pg 15] [-mariadb] [-kafka] [-pgbouncer] -- go test ./...   start, run the command, stop, exit as it did
//	server up [-state .services] [-pg 15] [-mariadb] [-kafka] [-pgbouncer]  start in the background, print the variables to export
//	server down [-state .services]                                          stop what up started
//
// The tests find a server by an environment variable, which run sets for its command:
//
//	BUNAUDIT_TEST_POSTGRES     postgres://user:password@127.0.0.1:port/postgres?sslmode=disable
//	BUNAUDIT_TEST_MARIADB      user:password@tcp(127.0.0.1:port)/bunaudit
//	BUNAUDIT_TEST_KAFKA        127.0.0.1:port
//	BUNAUDIT_TEST_KAFKA_SASL   sasl+tls://user:password@127.0.0.1:port/certificate.pem, the same broker by TLS and a login
//	BUNAUDIT_TEST_KAFKA_SECOND 127.0.0.1:port, a second broker of that cluster, with -second
//	BUNAUDIT_TEST_PGBOUNCER    the PostgreSQL once more, by way of PgBouncer: each transaction gets one of four connections
//
// With run -control each of them has a sister that ends in _CONTROL, the path of a Unix socket: the line fast or
// immediate, written to it, stops the server cleanly or as a crash would, and starts it again; pause has it stand still until
// resume; the answer is the line ok.
// BUNAUDIT_TEST_SERVER is the path of this program, for a test that needs such a server of its own.
//
// A variable that is set already names a server of yours: it is used, and none is started in its place.
//
// Each server gets a new data directory, a free port on the loopback interface, a random password and its default
// settings, except that it need not survive a power cut (nothing is synced to disk, unless -fsync is given), takes 200
// connections and, as a PostgreSQL, asks for the password by MD5, so that a connection costs little. It is a child of
// this command, is stopped by its process id, and leaves nothing behind but the cached download. Databases refuse to
// run as root, so for root they run as the user nobody.
//
// Limits: Linux and macOS. A SIGKILL of this command stops the servers on Linux only, and leaves their directory in the
// temporary directory. Timings without -fsync say little about a real server.
//
// PostgreSQL calls itself by the cluster_name bunaudit, so that a benchmark knows that it may be told to ALTER SYSTEM.
//
// This is a module of its own so that what it needs is no dependency of the library's. A further server is one more
// file like postgres.go and one more line in start.
package main
