// Package testdb runs one test body on every database that the library
// supports.
//
//	func TestSomething(t *testing.T) {
//		testdb.Run(t, func(t *testing.T, db *testdb.DB) {
//			_, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(t.Context())
//			require.NoError(t, err)
//		})
//	}
//
// [Run] makes a subtest for each database, named after it:
//
//   - "sqlite" always runs, on a file in the test's own directory, in WAL mode,
//     with foreign keys enforced and a busy timeout.
//   - "postgres" runs where the environment variable BUNAUDIT_TEST_POSTGRES
//     holds the URL of a server, in a schema that is created for the test and
//     dropped after it. Where the variable is missing the subtest is skipped
//     with a sentence that says how to run it, or fails where
//     BUNAUDIT_TEST_REQUIRE is set to anything: so that `make test` can't pass
//     without the servers that it promises.
//   - "mariadb" runs under the same conditions where BUNAUDIT_TEST_MARIADB holds
//     the data source name of a server, in a database that is created for the
//     test and dropped after it.
//
// # Guarantees
//
// Tests don't see each other's tables, so packages may run side by side on one
// server. Every pool that was opened through a [DB] is closed when its test
// ends, also where the test failed.
//
// # Limits
//
// The databases have no hooks, which is the point: what a test reads back
// through one is what the database holds. Only tests import this package.
package testdb
