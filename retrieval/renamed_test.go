package retrieval_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// Renamed is Thing after both of its columns, and its key, got other names.
type Renamed struct {
	bun.BaseModel `bun:"table:things,audit"`

	No     int64  `bun:",pk,audit_was:id,audit_was:number"`
	Title  string `bun:",audit_was:a"`
	B      string
	Absent string `bun:",audit:-"`
}

func TestRenamedColumnsReadTheirOldEvents(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		under := func(name string, e sink.Event) sink.Event {
			for _, key := range []sink.Values{e.Key, e.OldKey} {
				if raw, ok := key["id"]; ok {
					delete(key, "id")
					key[name] = raw
				}
			}
			return e
		}
		events := []sink.Event{
			thing("insert 1 x y"), under("number", thing("update 1 a=z")),
			under("no", thing("update 1 title=w")), under("no", thing("move 1 2")),
			thing("insert 7 v v"), under("no", thing("insert 8 v v")),
		}
		record(t, db, sqlsink.New(), events...)
		ctx := t.Context()

		changes, err := retrieval.Collect(retrieval.For[Renamed](db).Key(1).Field("title").Changes(ctx))
		require.NoError(t, err)
		var got []any
		for _, c := range changes {
			assert.Equal(t, "title", c.Field)
			got = append(got, c.New)
		}
		assert.Equal(t, []any{"x", "z", "w"}, got)
		n, err := retrieval.For[Renamed](db).WhereNew("Title", "x", "w").Count(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, n)

		row, err := retrieval.For[Renamed](db).Key(1).AsOf(ctx, start())
		require.NoError(t, err)
		assert.Equal(t, Renamed{No: 1, Title: "x", B: "y"}, row)
		row, err = retrieval.For[Renamed](db).Key(2).AsOf(ctx, time.Now())
		require.NoError(t, err)
		assert.Equal(t, Renamed{No: 2, Title: "w", B: "y"}, row)
		events2, err := retrieval.For[Renamed](db).Key(2).All(ctx)
		require.NoError(t, err)
		require.Len(t, events2, 4)
		old, err := events2[0].New()
		require.NoError(t, err)
		assert.Equal(t, Renamed{No: 1, Title: "x", B: "y"}, old)

		all := map[string]string{}
		for row, err := range retrieval.For[Renamed](db).RowsAsOf(ctx, time.Now()) {
			require.NoError(t, err)
			all[string(row.Key["no"])] = string(row.Values["title"])
		}
		assert.Equal(t, map[string]string{"2": `"w"`, "7": `"v"`, "8": `"v"`}, all)

		// A table without a model has the names that were recorded.
		first, err := retrieval.ForTable(db, "things").First(ctx)
		require.NoError(t, err)
		assert.Equal(t, json.RawMessage(`"x"`), first.Changes["a"].New)
	})
}
