package retrieval_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// Plain is what the database makes the events of by itself.
type Plain struct {
	bun.BaseModel `bun:"table:plain,audit"`

	Tenant    string `bun:",pk"`
	ID        int64  `bun:",pk"`
	Name      string
	Email     string `bun:",audit:redact"`
	Photo     []byte
	Since     time.Time
	Day       time.Time `bun:"type:date"`
	Local     time.Time `bun:"type:timestamp"`
	Doc       map[string]any
	Price     string    `bun:"type:numeric(12,2)"`
	Nick      *string   `bun:",audit:-"`
	DeletedAt time.Time `bun:",soft_delete,nullzero"`
}

func plainRows(n int) []Plain {
	rows := make([]Plain, n)
	for i := range rows {
		rows[i] = Plain{
			Tenant: []string{"acme", "é?'", `"b"`}[i%3], ID: int64(i), Name: fmt.Sprint("name\n", i), Photo: []byte{0, byte(i)}, Since: start(),
			Day: start(), Local: start(), Doc: map[string]any{"b": 1e21, "a": []any{"<", nil}}, Price: "12.50",
		}
	}
	return rows
}

// A snapshot says of a row what its insert has said, byte for byte.
func TestBaselineSaysWhatTheHookSays(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		store := sqlsink.New()
		require.NoError(t, store.CreateTable(t.Context(), db))
		pool := db.Open(t)
		pool.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: store, SeparateStatements: true})) // events made in Go
		_, err := pool.NewCreateTable().Model((*Plain)(nil)).Exec(t.Context())
		require.NoError(t, err)
		rows := plainRows(10)
		_, err = pool.NewInsert().Model(&rows).Exec(t.Context())
		require.NoError(t, err)
		_, err = pool.NewDelete().Model(&rows[3]).WherePK().Exec(t.Context())
		require.NoError(t, err)
		n, err := retrieval.For[Plain](pool).Baseline(t.Context(), retrieval.BaselineOptions{All: true, BatchSize: 4})
		require.NoError(t, err)
		assert.Equal(t, int64(10), n)
		for i, row := range rows {
			all, err := retrieval.For[Plain](pool).Key(row.Tenant, row.ID).All(t.Context())
			require.NoError(t, err)
			first, last := all[0], all[len(all)-1]
			require.Equal(t, sink.Snapshot, last.Op)
			assert.Equal(t, i == 3, last.Soft)
			if i == 3 {
				delete(first.Changes, "deleted_at")
				delete(last.Changes, "deleted_at")
			}
			assert.Equal(t, first.Changes, last.Changes)
			assert.Equal(t, first.Key, last.Key)
			assert.Equal(t, first.Model, last.Model)
		}
	})
}

// So is the text of it where no database gives JSON a form of its own: of masked
// columns, of everything that the context says, and on SQLite also from the second
// page on, which is read in another way.
func TestBaselineWritesWhatTheHookWrites(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Customer)(nil))
		ctx := bunaudit.WithMeta(bunaudit.WithReason(t.Context(), "why"), "request", "r-1")
		ctx = bunaudit.WithActor(ctx, sink.Actor{ID: "2", Type: "job", Name: "nightly", OnBehalfOf: "7"})
		rows := make([]Customer, 7)
		for i := range rows {
			rows[i] = Customer{Name: fmt.Sprint(`"<b>\ `, i), Email: "e", Phone: fmt.Sprint(i), Since: start()}
		}
		_, err := pool.NewInsert().Model(&rows).Exec(ctx)
		require.NoError(t, err)
		written := func() (texts []string) {
			var columns [8][]string
			require.NoError(t, db.NewRaw(`SELECT ?, changes, actor_id, actor_type, actor_name, on_behalf_of, reason, meta FROM audit_events ORDER BY seq`,
				bun.Ident("key")).Scan(t.Context(), &columns[0], &columns[1], &columns[2], &columns[3], &columns[4], &columns[5], &columns[6], &columns[7]))
			for i := range columns[0] {
				for _, column := range columns {
					texts = append(texts, column[i])
				}
			}
			return texts
		}
		inserted := written()
		exec(t, db, "DELETE FROM audit_events")
		n, err := retrieval.For[Customer](pool).Baseline(ctx, retrieval.BaselineOptions{HashKey: hashKey, BatchSize: 3})
		require.NoError(t, err)
		assert.Equal(t, int64(7), n)
		assert.Equal(t, inserted, written())
	})
}

// The same as TestBaselineWhileRowsChange, of a model whose events the database
// makes by itself, beside somebody who holds rows.
func TestBaselineInTheDatabaseWhileRowsChange(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	pool := audited(t, db, (*Plain)(nil))
	rows := plainRows(200)
	_, err := db.NewInsert().Model(&rows).Exec(t.Context())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := w; ctx.Err() == nil; i += 3 {
				row := rows[(i*7)%200]
				_ = pool.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					row.Name = fmt.Sprint(i)
					if _, err := tx.NewUpdate().Model(&row).Column("name").WherePK().Exec(ctx); err != nil {
						return err
					}
					time.Sleep(time.Millisecond) // a batch comes across the lock
					return nil
				})
			}
		})
	}
	all := func() *retrieval.Query[Plain] { return retrieval.For[Plain](pool) }
	for range 6 {
		n, err := all().Baseline(ctx, retrieval.BaselineOptions{BatchSize: 40, All: true})
		require.NoError(t, err)
		require.Equal(t, int64(200), n, "the rows that were held, too")
	}
	stop()
	writers.Wait()
	for f, err := range all().Verify(t.Context(), retrieval.VerifyOptions{}) {
		require.NoError(t, err)
		assert.Fail(t, "a row differs", f)
	}
	for _, row := range rows {
		name := ""
		for e, err := range retrieval.For[Plain](db).Key(row.Tenant, row.ID).Events(t.Context()) {
			require.NoError(t, err)
			c := e.Changes["name"]
			if before := c.Old; e.Op == sink.Update && name != "" {
				require.Equal(t, name, string(before))
			} else if name != "" {
				require.Equal(t, name, string(c.New))
			}
			name = string(c.New)
		}
	}
}

// What history knows is passed over, in the database as in Go: rows that were
// deleted, moved or truncated since are not known.
func TestBaselineInTheDatabasePassesOverWhatIsKnown(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Plain)(nil))
		rows := plainRows(30)
		_, err := pool.NewInsert().Model(&rows).Exec(t.Context())
		require.NoError(t, err)
		baseline := func() int64 {
			t.Helper()
			n, err := retrieval.For[Plain](pool).Baseline(t.Context(), retrieval.BaselineOptions{BatchSize: 7})
			require.NoError(t, err)
			return n
		}
		assert.Zero(t, baseline())
		_, err = pool.NewDelete().Model((*Plain)(nil)).Where("id IN (1, 2)").Exec(t.Context()) // softly: still known
		require.NoError(t, err)
		_, err = pool.NewDelete().Model((*Plain)(nil)).Where("id IN (4, 5)").ForceDelete().Exec(t.Context())
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Plain)(nil)).Set("id = 1000").Where("id = 7").Exec(t.Context())
		require.NoError(t, err)
		assert.Equal(t, int64(1), baseline(), "the row under its new key")
		back := []Plain{rows[4], rows[5], rows[7]}
		_, err = db.NewInsert().Model(&back).Exec(t.Context()) // behind the hook's back
		require.NoError(t, err)
		assert.Equal(t, int64(3), baseline())
		assert.Zero(t, baseline())
		if db.Backend == testdb.Postgres {
			_, err = pool.NewTruncateTable().Model((*Plain)(nil)).Exec(t.Context())
			require.NoError(t, err)
			_, err = db.NewInsert().Model(&back).Exec(t.Context())
			require.NoError(t, err)
			assert.Equal(t, int64(3), baseline())
		}
	})
}

// BenchmarkBaseline prints the rate of Baseline, and how many times as long it
// takes as an INSERT … SELECT of the finished events; on PostgreSQL also, how many
// times as long as one that makes them of the table, written by hand.
func BenchmarkBaseline(b *testing.B) {
	const rows = 50_000
	for _, backend := range []string{testdb.Postgres, testdb.SQLite, testdb.MariaDB} {
		b.Run(backend, func(b *testing.B) {
			db := testdb.New(b, backend)
			require.NoError(b, sqlsink.New().CreateTable(b.Context(), db))
			_, err := db.NewCreateTable().Model((*Plain)(nil)).Exec(b.Context())
			require.NoError(b, err)
			all := plainRows(rows)
			for from := 0; from < rows; from += 1000 {
				page := all[from : from+1000]
				_, err = db.NewInsert().Model(&page).Exec(b.Context())
				require.NoError(b, err)
			}
			if backend == testdb.Postgres {
				_, err = db.ExecContext(b.Context(), "ANALYZE plain")
				require.NoError(b, err)
			}
			var took, bare, byHand time.Duration
			for b.Loop() {
				other := sqlsink.New(sqlsink.Table("other"))
				for _, q := range []string{"DROP TABLE audit_events", "DROP TABLE IF EXISTS other"} {
					_, err = db.ExecContext(b.Context(), q)
					require.NoError(b, err)
				}
				require.NoError(b, sqlsink.New().CreateTable(b.Context(), db))
				require.NoError(b, other.CreateTable(b.Context(), db))
				began := time.Now()
				n, err := retrieval.For[Plain](db).Baseline(b.Context(), retrieval.BaselineOptions{})
				took += time.Since(began)
				require.NoError(b, err)
				require.Equal(b, int64(rows), n)

				const columns = `id, time, op, table_name, model, ?, changes, tx, soft`
				began = time.Now()
				_, err = db.NewRaw("INSERT INTO other ("+columns+") SELECT "+columns+" FROM audit_events", bun.Ident("key"), bun.Ident("key")).Exec(b.Context())
				bare += time.Since(began)
				require.NoError(b, err)
				if backend == testdb.Postgres {
					byHand += snapshotByHand(b, db)
				}
			}
			b.ReportMetric(rows*float64(b.N)/took.Seconds(), "rows/s")
			b.ReportMetric(float64(took)/float64(bare), "x-insert-select")
			if byHand > 0 {
				b.ReportMetric(float64(took)/float64(byHand), "x-by-hand")
			}
		})
	}
}

// snapshotByHand puts an event for each row into the table other, as one would who does
// it in one go, and returns how long that took.
func snapshotByHand(b *testing.B, db *testdb.DB) time.Duration {
	b.Helper()
	_, err := db.ExecContext(b.Context(), "TRUNCATE other")
	require.NoError(b, err)
	var columns []string
	for _, f := range db.Table(reflect.TypeFor[Plain]()).Fields {
		columns = append(columns, fmt.Sprintf("'%s', jsonb_build_object('new', %s)", f.Name, f.SQLName))
	}
	began := time.Now()
	_, err = db.NewRaw(`INSERT INTO other (id, time, op, table_name, model, key, changes, tx, soft)
		SELECT gen_random_uuid(), now(), 'snapshot', 'plain', 'Plain', jsonb_build_object('tenant', tenant, 'id', id), jsonb_build_object(?), ?, false FROM plain`,
		bun.Safe(strings.Join(columns, ", ")), uuid(1)).Exec(b.Context())
	require.NoError(b, err)
	return time.Since(began)
}
