// Package judge compares package sqltext with parsers that are right by
// definition: PostgreSQL's own, through github.com/pganalyze/pg_query_go, and
// SQLite itself. It is a module of its own, so that nothing else depends on a C
// compiler, and holds tests only:
//
//	go test -p 1 ./...
//
// Set SQLTEXT_JUDGE to judge more statements than the default, and
// SQLTEXT_SEED to judge others.
package judge
