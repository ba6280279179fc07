package retrieval_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// skewed stores 500 events of two programs whose clocks differ by some minutes,
// several of them at the same time and in the same transaction, and returns the
// IDs, in the order of time, of those of the second hour.
func skewed(t *testing.T, db *testdb.DB, random *rand.Rand) []string {
	t.Helper()
	events := make([]sink.Event, 500)
	for i := range events {
		events[i] = renamed(1+i%7, fmt.Sprint(i), fmt.Sprint(i+1))
		events[i].Time = start().Add(time.Duration(i/4)*time.Minute - time.Duration(random.IntN(2)*5)*time.Minute)
		events[i].Tx = uuid(1000 + i/6)
	}
	record(t, db, sqlsink.New(), events...)
	events = slices.DeleteFunc(events, func(e sink.Event) bool {
		return e.Time.Before(start().Add(time.Hour)) || !e.Time.Before(start().Add(2*time.Hour))
	})
	slices.SortStableFunc(events, func(a, b sink.Event) int { return a.Time.Compare(b.Time) })
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}

func TestATimeRangeIsOrderedByTime(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		const seed = 3
		want := skewed(t, db, rand.New(rand.NewPCG(seed, seed)))
		hour := func() *retrieval.Query[sink.Values] {
			return retrieval.ForTable(db, "customers").Between(start().Add(time.Hour), start().Add(2*time.Hour))
		}
		pages := func(q *retrieval.Query[sink.Values]) []string {
			var got []string
			for cursor := ""; ; {
				page, err := q.Limit(7).After(cursor).Page(t.Context())
				require.NoError(t, err)
				for _, e := range page.Events {
					got = append(got, e.ID)
				}
				if cursor = page.Next; cursor == "" {
					return got
				}
			}
		}
		all := func(q *retrieval.Query[sink.Values]) []string {
			events, err := q.All(t.Context())
			require.NoError(t, err)
			got := make([]string, len(events))
			for i, e := range events {
				got[i] = e.ID
			}
			return got
		}
		assert.Equal(t, want, all(hour()))
		assert.Equal(t, want, pages(hour()))
		newest := slices.Clone(want)
		slices.Reverse(newest)
		assert.Equal(t, newest, all(hour().NewestFirst()))
		assert.Equal(t, newest, pages(hour().NewestFirst()))

		stored := slices.Clone(want) // IDs are numbered as they were stored
		slices.Sort(stored)
		assert.NotEqual(t, stored, want)
		var keys []any
		for i := range 7 {
			keys = append(keys, map[string]any{"id": i + 1})
		}
		assert.Equal(t, stored, all(hour().Keys(keys...)), "rows change in the order of storing")

		first, err := hour().First(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want[0], first.ID)
		last, err := hour().Last(t.Context())
		require.NoError(t, err)
		assert.Equal(t, newest[0], last.ID)
		previous, err := hour().Previous(t.Context(), last)
		require.NoError(t, err)
		assert.Equal(t, newest[1], previous.ID)
	})
}

// A cursor holds for other conditions too, also where those change the order.
func TestACursorOfOneOrderServesTheOther(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		const seed = 4
		want := skewed(t, db, rand.New(rand.NewPCG(seed, seed)))
		everything, err := retrieval.ForAll(db).All(t.Context())
		require.NoError(t, err)
		for _, e := range everything {
			at := slices.Index(want, e.ID)
			if at < 0 {
				continue
			}
			rest, err := retrieval.ForAll(db).Between(start().Add(time.Hour), start().Add(2*time.Hour)).Limit(1).After(e.Cursor()).All(t.Context())
			require.NoError(t, err)
			if at == len(want)-1 {
				assert.Empty(t, rest)
			} else if assert.Len(t, rest, 1) {
				assert.Equal(t, want[at+1], rest[0].ID)
			}
		}
	})
}

func TestTransactionsOfATimeRangeComeOnce(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		const seed = 5
		ids := skewed(t, db, rand.New(rand.NewPCG(seed, seed)))
		var want []string
		for _, id := range ids {
			var i int
			_, err := fmt.Sscanf(id[strings.LastIndex(id, "-")+1:], "%x", &i)
			require.NoError(t, err)
			if tx := uuid(1000 + i/6); !slices.Contains(want, tx) {
				want = append(want, tx)
			}
		}
		got := func(q *retrieval.Query[sink.Values]) (txs []string) {
			for tx, err := range q.Transactions(t.Context()) {
				require.NoError(t, err)
				txs = append(txs, tx.ID)
				assert.True(t, slices.IsSortedFunc(tx.Events, func(a, b retrieval.Event[sink.Values]) int { return strings.Compare(a.ID, b.ID) }))
			}
			return txs
		}
		assert.Equal(t, want, got(retrieval.ForAll(db).Between(start().Add(time.Hour), start().Add(2*time.Hour))))
		backwards := got(retrieval.ForAll(db).Between(start().Add(time.Hour), start().Add(2*time.Hour)).NewestFirst())
		assert.ElementsMatch(t, want, backwards)
	})
}
