package retrieval_test

import (
	"fmt"
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

// TestLongTextsAreToldApart asks for tables, keys and actors that begin with more
// characters in common than an index of MariaDB's has, and whose events come in
// turns.
func TestLongTextsAreToldApart(t *testing.T) {
	const rounds = 60
	named := func(text string, n int, i int) string { return strings.Repeat(text, n) + fmt.Sprint(i) }
	keyOf := func(long bool, i int) map[string]any {
		if long {
			return map[string]any{"id": named("ä", 300, i)}
		}
		return map[string]any{"id": named("ä", 3, i)}
	}
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		var events []sink.Event
		for round := range rounds {
			for table := range 2 {
				for row := range 6 {
					key := sink.Values{"id": quoted(keyOf(row%2 == 0, row)["id"].(string))}
					e := sink.Event{Op: sink.Update, Table: named("t", 80, table), Key: key, Actor: sink.Actor{ID: named("a", 70, row)},
						Changes: map[string]sink.Change{"n": {Old: quoted(fmt.Sprint(round - 1)), New: quoted(fmt.Sprint(round))}}}
					switch round {
					case 0:
						e.Op, e.Changes["n"] = sink.Insert, sink.Change{New: quoted("0")}
					case 1: // each was another before
						e.OldKey = key
						e.Key = sink.Values{"id": quoted(named("ä", 290, 100+row))}
					case 2:
						e.OldKey, e.Key = sink.Values{"id": quoted(named("ä", 290, 100+row))}, key
					}
					events = append(events, e)
				}
			}
		}
		record(t, db, sqlsink.New(), events...)
		late := start().Add(1000 * time.Hour)
		for table := range 2 {
			q := func() *retrieval.Query[sink.Values] { return retrieval.ForTable(db, named("t", 80, table)) }
			for row := range 6 {
				all, err := q().Key(keyOf(row%2 == 0, row)).All(t.Context())
				require.NoError(t, err)
				assert.Len(t, all, rounds)
				n, err := q().By(named("a", 70, row)).Count(t.Context())
				require.NoError(t, err)
				assert.Equal(t, rounds, n)
				was, err := q().Key(keyOf(row%2 == 0, row)).RowAsOf(t.Context(), late)
				require.NoError(t, err)
				assert.JSONEq(t, fmt.Sprint(`"`, rounds-1, `"`), string(was.Values["n"]))
			}
			seen := map[string]bool{}
			for row, err := range q().RowsAsOf(t.Context(), late) {
				require.NoError(t, err)
				assert.JSONEq(t, fmt.Sprint(`"`, rounds-1, `"`), string(row.Values["n"]))
				seen[string(row.Key["id"])] = true
			}
			assert.Len(t, seen, 6)
		}
	})
}
