package bunaudit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Meeting has a time whose column is altered under the running program.
type Meeting struct {
	bun.BaseModel `bun:"table:meetings,audit"`

	ID int64     `bun:",pk"`
	At time.Time `bun:"type:timestamp"`
}

func TestATimeStaysTheSameWhenItsColumnGetsATimeZone(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	ctx := t.Context()
	a := newAudited(t, db, bunaudit.Config{}, (*Meeting)(nil))
	conn, err := a.Conn(ctx)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "SET TimeZone = 'Asia/Kolkata'")
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err = conn.NewInsert().Model(&Meeting{ID: 1, At: at}).Exec(ctx)
	require.NoError(t, err)
	_, err = db.ExecContext(ctx, "ALTER TABLE meetings ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC'")
	require.NoError(t, err)
	_, err = conn.NewInsert().Model(&Meeting{ID: 2, At: at}).Exec(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{
		`insert meetings {"id":1}: at -> "2026-01-02T03:04:05.000000"`,
		`insert meetings {"id":2}: at -> "2026-01-02T03:04:05.000000Z"`,
	}, a.story(t))
}
