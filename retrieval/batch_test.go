package retrieval_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// anyHistory is one of a few rows in which anything may follow anything, by clocks that
// differ.
func anyHistory(r *rand.Rand) []sink.Event {
	clock := start()
	events := make([]sink.Event, 60)
	for i := range events {
		id := 1 + r.IntN(6)
		e := life('u', id)
		e.Changes = map[string]sink.Change{"name": {New: json.RawMessage(fmt.Sprintf(`"name %d"`, i))}}
		switch n := r.IntN(30); {
		case n < 4:
			e = life('i', id)
		case n < 6:
			e = life('d', id)
		case n < 8:
			e = life('s', id)
		case n < 14:
			e = moved(id, 1+(id+r.IntN(5))%6)
		case n < 16:
			e.Op, e.Changes = sink.Erase, nil
		case n < 18:
			e.Op = sink.Snapshot
		case n == 18:
			e = sink.Event{Op: sink.Truncate, Statement: "TRUNCATE"}
		case n == 19:
			e = sink.Event{Op: sink.Opaque, Statement: "UPDATE"}
		}
		if r.IntN(3) > 0 {
			clock = clock.Add(time.Second)
		}
		e.Time = clock
		if r.IntN(8) == 0 {
			e.Time = clock.Add(time.Duration(r.IntN(20)-10) * time.Second)
		}
		events[i] = e
	}
	return events
}

// However rows are asked for, one by one, several or all, they are the same.
func TestRowsAsOfAreThoseOfAsOf(t *testing.T) {
	for seed := range uint64(6) {
		db := testdb.New(t, testdb.SQLite)
		r := rand.New(rand.NewPCG(seed, 1))
		record(t, db, sqlsink.New(), anyHistory(r)...)
		for range 10 {
			at := start().Add(time.Duration(r.IntN(60)-5) * time.Second)
			want := map[int64]string{}
			add := func(to map[int64]string, row retrieval.Row[Customer], err error) {
				if errors.Is(err, retrieval.ErrIncomplete) || err == nil {
					c, merr := row.Model()
					require.NoError(t, merr)
					to[c.ID] = fmt.Sprintf("%v %v %s %v", c, row.SoftDeleted, row.Event.ID, err)
				}
			}
			for id := 1; id <= 6; id++ {
				row, err := retrieval.For[Customer](db).Key(id).RowAsOf(t.Context(), at)
				add(want, row, err)
			}
			for _, q := range []*retrieval.Query[Customer]{retrieval.For[Customer](db).Keys(1, 2, 3, 4, 5, 6), retrieval.For[Customer](db)} {
				got := map[int64]string{}
				for row, err := range q.RowsAsOf(t.Context(), at) {
					add(got, row, err)
				}
				require.Equal(t, want, got, "seed %d, at %s", seed, at)
			}
		}
	}
}
