// Package compat tests that the audit records the same by whatever way a
// program reaches PostgreSQL: Bun's own driver, the database/sql side of pgx in
// each of its modes, and a PgBouncer that gives each transaction another
// connection.
//
// It needs the servers of BUNAUDIT_TEST_POSTGRES and BUNAUDIT_TEST_PGBOUNCER,
// the second being a pooler before the first. It is a module of its own so that
// pgx is no dependency of the library's.
package compat
