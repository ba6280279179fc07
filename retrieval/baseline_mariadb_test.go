package retrieval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

// Word has a key whose comparison depends on the session.
type Word struct {
	bun.BaseModel `bun:"table:words,audit"`

	Word string `bun:",pk"`
	N    int64
}

// duringBatch is called when a batch has locked its rows, and writes its events.
type duringBatch func()

func (d duringBatch) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	if strings.HasPrefix(e.Query, "INSERT INTO `audit_events`") {
		d()
	}
	return ctx
}

func (duringBatch) AfterQuery(context.Context, *bun.QueryEvent) {}

// A batch of Baseline locks its own rows and no other, however the session's
// charset compares with the table's, where the table has a few pages alone: there
// MariaDB is soon tempted to go through all rows.
func TestBaselineOnMariaDBLocksItsRowsAlone(t *testing.T) {
	for _, session := range []string{"utf8mb4", "latin1", "utf8mb4 COLLATE utf8mb4_unicode_ci"} {
		t.Run(session, func(t *testing.T) { baselineLocksItsRowsAlone(t, session) })
	}
}

func baselineLocksItsRowsAlone(t *testing.T, session string) {
	db := testdb.New(t, testdb.MariaDB)
	pool := audited(t, db, (*Word)(nil))
	const batch = 1000 // as without a BatchSize
	rows := make([]Word, 2*batch)
	for i := range rows {
		rows[i].Word = fmt.Sprintf("w%05d", i)
	}
	insert(t, db, rows...) // older than the audit
	exec(t, db, "ANALYZE TABLE words")
	pool.SetMaxOpenConns(1)
	exec(t, pool, "SET NAMES "+session)
	other, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	exec(t, other, "SET SESSION innodb_lock_wait_timeout = 1")

	written := 0
	pool.AddQueryHook(duringBatch(func() {
		if written++; written == 1 {
			_, err := other.NewRaw("UPDATE words SET n = 1 WHERE word = ?", rows[batch+50].Word).Exec(t.Context())
			assert.NoError(t, err, "a row of the next batch")
			_, err = other.NewRaw("UPDATE words SET n = 1 WHERE word = ?", rows[batch/2].Word).Exec(t.Context())
			assert.ErrorContains(t, err, "Lock wait timeout", "a row of this batch")
		}
	}))
	n, err := retrieval.For[Word](pool).Baseline(t.Context(), retrieval.BaselineOptions{})
	require.NoError(t, err)
	assert.Equal(t, int64(len(rows)), n)
	assert.Positive(t, written)
}
