package retrieval_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

// deferrable makes the key of things one that PostgreSQL checks when a statement has
// ended, so that one can give rows each other's keys all at once.
func deferrable(t *testing.T, db *testdb.DB) {
	t.Helper()
	exec(t, db.DB, "ALTER TABLE things DROP CONSTRAINT things_pkey, ADD PRIMARY KEY (id) DEFERRABLE")
}

// circle gives each row the key of the next one, and the last that of the first.
func circle(ids []int64) string {
	var cases strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&cases, " WHEN %d THEN %d", id, ids[(i+1)%len(ids)])
	}
	return fmt.Sprintf("UPDATE things SET id = CASE id%s END, b = b || 'x' WHERE id IN (%s)",
		cases.String(), strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ", "), "[]"))
}

// moment is the table as it was.
type moment struct {
	at   time.Time
	rows map[int64]Thing
}

func now(t *testing.T, db bun.IDB) moment {
	t.Helper()
	var all []Thing
	require.NoError(t, db.NewSelect().Model(&all).Scan(t.Context()))
	m := moment{at: time.Now(), rows: map[int64]Thing{}}
	for _, row := range all {
		m.rows[row.ID] = row
	}
	return m
}

// byName is the table by the column that no statement changes.
func (m moment) byName() map[string]Thing {
	rows := map[string]Thing{}
	for _, row := range m.rows {
		rows[row.A] = row
	}
	return rows
}

// assertDiff compares what is said of a row with the row at both times.
func assertDiff(t *testing.T, was, is Thing, d retrieval.Diff) {
	t.Helper()
	assert.Equal(t, was != Thing{}, d.Was)
	assert.True(t, d.Is)
	if !d.Was {
		return
	}
	want := map[string]string{}
	if was.ID != is.ID {
		want["id"] = fmt.Sprintf("%d %d", was.ID, is.ID)
	}
	if was.B != is.B {
		want["b"] = fmt.Sprintf("%q %q", was.B, is.B)
	}
	said := map[string]string{}
	for _, f := range d.Fields {
		said[f.Field] = fmt.Sprintf("%s %s", f.OldJSON, f.NewJSON)
	}
	assert.Equal(t, want, said)
}

// Whatever keys rows have exchanged, history tells each of them from the others: at
// any moment, between any two, and back to any.
func TestHistoryOfKeysThatWereExchangedAtOnce(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	pool := audited(t, db, (*Thing)(nil))
	deferrable(t, db)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	insert(t, pool, Thing{ID: 1, A: "a"}, Thing{ID: 2, A: "b"}, Thing{ID: 3, A: "c"}, Thing{ID: 4, A: "d"}, Thing{ID: 5, A: "e"})
	moments := []moment{now(t, db)}
	q := func(id int64) *retrieval.Query[Thing] { return retrieval.For[Thing](pool).Key(id) }
	for step := range 12 {
		ids := slices.Sorted(maps.Keys(moments[len(moments)-1].rows))
		r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		switch r.IntN(7) {
		case 0, 1:
			exec(t, pool, circle(ids[:2+r.IntN(3)]))
		case 2: // one after the other
			exec(t, pool, "UPDATE things SET id = id + 1")
		case 3:
			exec(t, pool, fmt.Sprintf("UPDATE things SET b = b || 'y' WHERE id = %d", ids[0]))
		case 4: // a key that one row leaves for good is another's at once
			exec(t, pool, fmt.Sprintf("UPDATE things SET id = CASE id WHEN %d THEN %d ELSE %d END WHERE id IN (%d, %d)",
				ids[0], 100+step, ids[0], ids[0], ids[1]))
		case 5:
			exec(t, pool, fmt.Sprintf("DELETE FROM things WHERE id = %d", ids[0]))
			insert(t, pool, Thing{ID: ids[0], A: fmt.Sprint("new", step)})
		default: // in one transaction, so that the times alone tell the statements apart
			transact(t, pool, circle(ids[:2]), circle(ids[1:3]), fmt.Sprintf("DELETE FROM things WHERE id = %d", ids[1]),
				fmt.Sprintf("INSERT INTO things (id, a, b) VALUES (%d, 'new%d', '')", ids[1], step))
		}
		moments = append(moments, now(t, db))
	}
	for i, m := range moments {
		ids := slices.Sorted(maps.Keys(m.rows))
		for _, n := range r.Perm(len(ids))[:2] {
			id, row := ids[n], m.rows[ids[n]]
			thing, err := q(id).AsOf(t.Context(), m.at)
			require.NoError(t, err, "row %d at %d", id, i)
			assert.Equal(t, row, thing, "row %d at %d", id, i)
			was := moments[r.IntN(i+1)]
			d, err := q(id).Diff(t.Context(), was.at, m.at)
			require.NoError(t, err, "row %d at %d", id, i)
			assertDiff(t, was.byName()[row.A], row, d)
		}
		if r.IntN(4) > 0 {
			continue
		}
		all := map[int64]Thing{}
		for row, err := range retrieval.For[Thing](pool).RowsAsOf(t.Context(), m.at) {
			require.NoError(t, err)
			thing, err := row.Model()
			require.NoError(t, err)
			all[thing.ID] = thing
		}
		assert.Equal(t, m.rows, all, "the whole table at %d", i)
	}
	verified[Thing](t, pool)
	for len(moments) > 1 && !t.Failed() {
		moments = moments[:len(moments)-1-r.IntN(min(5, len(moments)-1))]
		back := moments[len(moments)-1]
		_, err := revert(t, db, retrieval.For[Thing](pool).Since(back.at), because)
		require.NoError(t, err)
		assert.Equal(t, back.rows, now(t, db).rows)
		verified[Thing](t, pool)
	}
}
