module github.com/sqlaudit/bun/internal/sqltext/judge

go 1.25.0

replace github.com/sqlaudit/bun => ../../..

require (
	github.com/go-sql-driver/mysql v1.9.3
	github.com/pganalyze/pg_query_go/v6 v6.2.5
	github.com/sqlaudit/bun v0.0.0
	google.golang.org/protobuf v1.33.0
	modernc.org/sqlite v1.38.0
)

require (
	filippo.io/edwards25519 v1.1.0 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/ncruces/go-strftime v0.1.9 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	golang.org/x/exp v0.0.0-20250711185948-6ae5c78190dc // indirect
	golang.org/x/sys v0.34.0 // indirect
	modernc.org/libc v1.66.3 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.11.0 // indirect
)
