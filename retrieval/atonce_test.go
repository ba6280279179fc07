package retrieval_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

// Where a key is DEFERRABLE, one statement of PostgreSQL gives rows each other's keys
// all at once. What history then can't tell for sure it says so of, until the rows are
// on record again; it tells nothing that isn't so.
func TestHistoryOfKeysThatWereExchangedAtOnce(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	pool := audited(t, db, (*Thing)(nil))
	exec(t, db.DB, "ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (id) DEFERRABLE")
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	live := func() map[int64]Thing {
		var all []Thing
		require.NoError(t, db.NewSelect().Model(&all).Scan(t.Context()))
		rows := map[int64]Thing{}
		for _, row := range all {
			rows[row.ID] = row
		}
		return rows
	}
	insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"}, Thing{ID: 3, A: "c"}, Thing{ID: 4, A: "d"}, Thing{ID: 5, A: "e"})
	baseline := func() {
		_, err := retrieval.For[Thing](pool).Baseline(t.Context(), retrieval.BaselineOptions{})
		require.NoError(t, err)
	}
	sure, unsure := 0, 0
	for range 8 {
		ids := slices.Sorted(maps.Keys(live()))
		r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		switch r.IntN(6) {
		case 0, 1: // a circle
			some := ids[:2+r.IntN(2)]
			var cases strings.Builder
			for i, id := range some {
				fmt.Fprintf(&cases, " WHEN %d THEN %d", id, some[(i+1)%len(some)])
			}
			exec(t, pool, fmt.Sprintf("UPDATE things SET id = CASE id%s END, b = b || 'x' WHERE id IN (%s)",
				cases.String(), strings.Trim(strings.ReplaceAll(fmt.Sprint(some), " ", ", "), "[]")))
		case 2: // one after the other
			exec(t, pool, "UPDATE things SET id = id + 1")
		case 3:
			exec(t, pool, fmt.Sprintf("UPDATE things SET b = b || 'y' WHERE id = %d", ids[0]))
		case 4:
			exec(t, pool, fmt.Sprintf("DELETE FROM things WHERE id = %d", ids[0]))
			insert(t, pool, Thing{ID: ids[0], A: "new"})
		default:
			baseline()
		}
		want, now := live(), time.Now().Add(time.Second)
		told := map[int64]bool{}
		for row, err := range retrieval.For[Thing](pool).RowsAsOf(t.Context(), now) {
			thing, merr := row.Model()
			require.NoError(t, merr)
			told[thing.ID] = true
			if err == nil {
				assert.Equal(t, want[thing.ID], thing)
			} else {
				require.ErrorIs(t, err, retrieval.ErrIncomplete)
				require.ErrorContains(t, err, "it is blind from the update")
			}
		}
		for id, row := range want {
			assert.True(t, told[id], "row %d of the whole table", id)
			thing, err := retrieval.For[Thing](pool).Key(id).AsOf(t.Context(), now)
			if errors.Is(err, retrieval.ErrIncomplete) {
				unsure++
				continue
			}
			require.NoError(t, err)
			assert.Equal(t, row, thing)
			sure++
		}
		if t.Failed() {
			return
		}
	}
	assert.NotZero(t, sure)
	baseline()
	for id, row := range live() {
		thing, err := retrieval.For[Thing](pool).Key(id).AsOf(t.Context(), time.Now().Add(time.Second))
		require.NoError(t, err)
		assert.Equal(t, row, thing)
	}
	verified[Thing](t, pool)
	t.Log(sure, "sure", unsure, "unsure")
}
