package retrieval_test

import (
	"context"
	"strings"
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

func audited(t *testing.T, db *testdb.DB, model any) *bun.DB {
	t.Helper()
	ddl := db.NewCreateTable().Model(model).String()
	if db.Backend == testdb.MariaDB { // by the names of the types that it has
		ddl = strings.NewReplacer(" inet", " varchar(64)", " cidr", " varchar(64)", " jsonb", " json", " timestamptz", " datetime(6)").Replace(ddl)
	}
	_, err := db.ExecContext(t.Context(), ddl)
	require.NoError(t, err)
	return hooked(t, db)
}

// hooked is a pool with the hook, beside a table of events.
func hooked(t *testing.T, db *testdb.DB) *bun.DB {
	t.Helper()
	store := sqlsink.New()
	require.NoError(t, store.CreateTable(t.Context(), db))
	pool := db.Open(t)
	pool.AddQueryHook(bunaudit.New(bunaudit.Config{
		Sink:    store,
		HashKey: []byte("0123456789abcdef0123456789abcdef"),
		Actor:   func(context.Context) (sink.Actor, error) { return sink.Actor{ID: "1", Type: "user"}, nil },
	}))
	return pool
}

func TestTheStoryOfTheQuickStart(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Customer)(nil))
		ctx := t.Context()
		since := time.Now()
		jane := Customer{Name: "Jane Doe"}
		_, err := pool.NewInsert().Model(&jane).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Customer)(nil)).Set("name = ?", "Jane Smith").Where("id = ?", jane.ID).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Customer)(nil)).Set("id = ?", 77).Where("id = ?", jane.ID).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewDelete().Model((*Customer)(nil)).Where("id = ?", 77).Exec(ctx)
		require.NoError(t, err)

		// The hook's own database serves as well, and its queries aren't recorded.
		changes, err := retrieval.Collect(retrieval.For[Customer](pool).Key(77).Field("name", "id").By("1").Since(since.Add(-time.Second)).Changes(ctx))
		require.NoError(t, err)
		var lines []string
		for _, c := range changes {
			c.Time = start()
			lines = append(lines, c.String())
		}
		assert.Equal(t, []string{
			"FIELD name SET AT 2026-01-02T03:04:05Z TO Jane Doe BY user 1",
			"FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM Jane Doe TO Jane Smith BY user 1",
			"FIELD id CHANGED AT 2026-01-02T03:04:05Z FROM 1 TO 77 BY user 1",
			"FIELD name REMOVED AT 2026-01-02T03:04:05Z FROM Jane Smith BY user 1",
		}, lines)
		n, err := retrieval.For[Customer](pool).Key(jane.ID).Count(ctx)
		require.NoError(t, err)
		assert.Equal(t, 4, n)
	})
}
