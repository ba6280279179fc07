// Package judge compares package sqltext with parsers that are right by
// definition: PostgreSQL's own, through github.com/pganalyze/pg_query_go; SQLite,
// which has to compile a statement that was taken apart and put together again to
// the same program; and MariaDB, which has to do the same with it. The package is
// a module of its own, so that nothing else depends on a C compiler, and holds
// tests only:
//
//	go test -p 1 ./...
//
// MariaDB takes part where SQLTEXT_MARIADB holds the DSN of a database of its own,
// such as root@unix(/tmp/s)/judge; its tables are dropped.
//
// Set SQLTEXT_JUDGE to judge more statements than the default, and
// SQLTEXT_SEED to judge others.
package judge
