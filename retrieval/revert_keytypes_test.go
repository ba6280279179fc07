package retrieval_test

import (
	"context"
	"testing"
	"time"

	gouuid "github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

type UUIDKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   gouuid.UUID `bun:",pk,type:uuid"`
	Text string
}

type TextKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   string `bun:",pk,type:varchar(36)"`
	Text string
}

type SmallKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   uint8 `bun:",pk"`
	Text string
}

type TimeKey struct {
	bun.BaseModel `bun:"table:labels,audit"`

	ID   time.Time `bun:",pk"`
	Text string
}

// exchange has two rows exchange their keys a and b by way of c, and reverts that.
func exchange[M any](t *testing.T, db *testdb.DB, rows []M, a, b, c any, refused string) {
	t.Helper()
	pool := audited(t, db, (*M)(nil))
	insert(t, pool, rows...)
	all := func() (rows []M) {
		require.NoError(t, db.NewSelect().Model(&rows).Order("id").Scan(t.Context()))
		return rows
	}
	before := all()
	err := pool.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		for _, move := range [][2]any{{a, c}, {b, a}, {c, b}} {
			if _, err := tx.NewRaw("UPDATE labels SET id = ? WHERE id = ?", move[1], move[0]).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	after := all()
	last, err := retrieval.For[M](pool).Last(t.Context())
	require.NoError(t, err)
	n, err := revert(t, db, retrieval.ForAll(pool).Tx(last.Tx), because)
	if refused != "" {
		require.ErrorContains(t, err, refused)
		assert.Equal(t, after, all())
	} else {
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		assert.Equal(t, before, all())
	}
	verified[M](t, pool)
}

func TestRevertOfExchangedKeysOfOtherTypes(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	for name, do := range map[string]func(*testing.T, *testdb.DB){
		"UUIDs": func(t *testing.T, db *testdb.DB) {
			a, b, c := gouuid.New(), gouuid.New(), gouuid.New()
			exchange(t, db, []UUIDKey{{ID: a, Text: "a"}, {ID: b, Text: "b"}}, a, b, c, "")
		},
		"UUIDs as text": func(t *testing.T, db *testdb.DB) {
			a, b, c := gouuid.NewString(), gouuid.NewString(), gouuid.NewString()
			exchange(t, db, []TextKey{{ID: a, Text: "a"}, {ID: b, Text: "b"}}, a, b, c, "")
		},
		"texts": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []TextKey{{ID: "AT-1", Text: "a"}, {ID: "DE-2", Text: "b"}}, "AT-1", "DE-2", "x", "")
		},
		"texts of which there are no others": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []TextKey{{ID: "ä", Text: "a"}, {ID: "ö", Text: "b"}}, "ä", "ö", "x", "there is none that could be told from the type of id")
		},
		"numbers that can't be negative": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []SmallKey{{ID: 1, Text: "a"}, {ID: 2, Text: "b"}}, 1, 2, 9, "")
		},
		"those of which there are no others": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []SmallKey{{ID: 0, Text: "a"}, {ID: 1, Text: "b"}}, 0, 1, 9, "there is none that could be told from the type of id")
		},
		"times": func(t *testing.T, db *testdb.DB) {
			exchange(t, db, []TimeKey{{ID: at(1), Text: "a"}, {ID: at(2), Text: "b"}}, at(1), at(2), at(9), "there is none that could be told from the type of id")
		},
	} {
		t.Run(name, func(t *testing.T) { testdb.Run(t, do) })
	}
}
