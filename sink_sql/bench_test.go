package sqlsink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// typical is an event as services make them: two columns of an update, an
// actor, a request's id and a trace. The order of the IDs is that of UUIDv7.
func typical(n int) sink.Event {
	e := event(n)
	e.Tx = fmt.Sprintf("0193a0a0-0001-7000-8000-%012x", n)
	e.Time = e.Time.Add(time.Duration(n) * 7 * time.Millisecond)
	e.Actor.ID = fmt.Sprint(n % 50)
	e.Key = sink.Values{"id": json.RawMessage(fmt.Sprint(n % 1000))}
	e.Changes = map[string]sink.Change{
		"email":      {Old: json.RawMessage(`"jane.doe@example.com"`), New: json.RawMessage(`"jane.smith@example.com"`)},
		"updated_at": {Old: json.RawMessage(`"2025-01-02T03:04:05.000006Z"`), New: json.RawMessage(`"2025-01-03T03:04:05.000006Z"`)},
	}
	e.Meta = map[string]string{"request_id": fmt.Sprintf("0193a0a0-0002-7000-8000-%012x", n)}
	e.TraceID, e.SpanID = fmt.Sprintf("%032x", n), fmt.Sprintf("%016x", n)
	return e
}

// BenchmarkWrite measures the time of a Write in a transaction of its own, and
// what an event takes on disk with all indexes.
func BenchmarkWrite(b *testing.B) {
	for _, backend := range []string{testdb.SQLite, testdb.Postgres, testdb.MariaDB} {
		for _, size := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/events=%d", backend, size), func(b *testing.B) {
				db := testdb.New(b, backend)
				s := sqlsink.New()
				require.NoError(b, s.CreateTable(b.Context(), db))
				before, n := diskSize(b, db), 0
				batch := make([]sink.Event, size)
				for b.Loop() {
					for i := range batch {
						n++
						batch[i] = typical(n)
					}
					require.NoError(b, db.RunInTx(b.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
						return s.Write(ctx, tx, batch)
					}))
				}
				b.ReportMetric(float64(diskSize(b, db)-before)/float64(n), "disk-B/event")
			})
		}
	}
}

func diskSize(b *testing.B, db *testdb.DB) int64 {
	b.Helper()
	var size int64
	switch db.Backend {
	case testdb.Postgres:
		require.NoError(b, db.NewRaw("SELECT pg_total_relation_size('audit_events')").Scan(b.Context(), &size))
		return size
	case testdb.MariaDB:
		require.NoError(b, db.NewRaw("SELECT file_size FROM information_schema.innodb_sys_tablespaces WHERE name = ?",
			db.Schema+"/audit_events").Scan(b.Context(), &size))
		return size
	}
	_, err := db.ExecContext(b.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(b, err)
	path, _, _ := strings.Cut(strings.TrimPrefix(db.DSN, "file:"), "?")
	info, err := os.Stat(path)
	require.NoError(b, err)
	return info.Size()
}
