package retrieval_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func TestChangesHaveTheModelsTypes(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		changes, err := retrieval.Collect(retrieval.For[Customer](db).Key(2).Changes(t.Context()))
		require.NoError(t, err)
		var fields []string
		for _, c := range changes {
			fields = append(fields, c.Field)
		}
		assert.Equal(t, []string{"name", "email", "phone", "nick", "since", "address", "gone", "name", "email", "phone", "nick"}, fields)

		insert, update := changes[:7], changes[7:]
		assert.Equal(t, "Jane Doe", insert[0].New)
		assert.Nil(t, insert[0].Old)
		assert.Equal(t, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), insert[4].New)
		assert.Equal(t, struct{ City string }{"Wien"}, insert[5].New)
		assert.Equal(t, json.RawMessage(`[1]`), insert[6].New, "the model no longer has this column")
		assert.Equal(t, "Jane Smith", update[0].New)
		nick := "JJ"
		assert.Nil(t, update[3].Old, "NULL")
		assert.Equal(t, &nick, update[3].New)

		c := update[0]
		assert.Equal(t, sink.Actor{ID: "1", Type: "user", Name: "Jane"}, c.Actor)
		assert.Equal(t, sink.Update, c.Op)
		assert.Equal(t, key(2), c.Key)
		assert.Equal(t, uuid(2), c.EventID)
		assert.Equal(t, uuid(4711), c.Tx)
		assert.Equal(t, start().Add(2*time.Minute), c.Time)
		assert.Equal(t, "marriage", c.Reason)
		assert.Equal(t, map[string]string{"request_id": "r-1"}, c.Meta)
		assert.Equal(t, "customers", c.Table)
		assert.Equal(t, "Customer", c.Model)

		was, ok := retrieval.Old[string](c)
		assert.True(t, ok)
		assert.Equal(t, "Jane Doe", was)
		_, ok = retrieval.Old[int](c)
		assert.False(t, ok, "another type")
		_, ok = retrieval.Old[string](insert[0])
		assert.False(t, ok, "there was no row")
		null, ok := retrieval.Old[*string](update[3])
		assert.True(t, ok, "NULL")
		assert.Nil(t, null)
		_, ok = retrieval.New[string](insert[1])
		assert.False(t, ok, "redacted")
		_, ok = retrieval.New[string](insert[2])
		assert.False(t, ok, "hashed")
		assert.JSONEq(t, `"hmac-sha256:00"`, string(insert[2].NewJSON))
	})
}

func TestChangesAreLimitedByField(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		fields := func(q *retrieval.Query[Customer]) (out []string) {
			for c, err := range q.Changes(t.Context()) {
				require.NoError(t, err)
				out = append(out, c.Field+" "+string(c.Op))
			}
			return out
		}
		all := func() *retrieval.Query[Customer] { return retrieval.For[Customer](db).Key(2) }
		assert.Equal(t, []string{"name insert", "nick insert", "name update", "nick update"}, fields(all().Field("Nick", "name")))
		assert.Equal(t, []string{"nick insert", "name update"}, fields(all().Field("nick", "name").Limit(2).Offset(1)))
		assert.Equal(t, []string{"nick update", "name update", "name insert"}, fields(all().Field("nick", "name").NewestFirst().Limit(3)))
		assert.Empty(t, fields(all().Field("nick").Offset(9)))
	})
}

func TestEventsGiveModels(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		events, err := retrieval.For[*Customer](db).All(t.Context())
		require.NoError(t, err)
		check := func(event retrieval.Event[*Customer], wantOld, wantNew *Customer) {
			t.Helper()
			was, err := event.Old()
			require.NoError(t, err)
			assert.Equal(t, wantOld, was)
			is, err := event.New()
			require.NoError(t, err)
			assert.Equal(t, wantNew, is)
		}
		check(events[1], nil, &Customer{ID: 2, Name: "Jane Doe", Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Address: struct{ City string }{"Wien"}})
		check(events[2], &Customer{ID: 2, Name: "Jane Doe"}, &Customer{ID: 2, Name: "Jane Smith"})
		check(events[4], &Customer{ID: 1, Name: "John"}, nil)
		assert.Len(t, events[3].Fields(), 3)
	})
}

func TestTablesWithoutAModelGiveJSON(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		q := retrieval.ForTable(db, "customers").Key(map[string]any{"id": 2}).Field("gone", "name", "nick")
		changes, err := retrieval.Collect(q.Changes(t.Context()))
		require.NoError(t, err)
		require.Len(t, changes, 5)
		assert.Equal(t, "gone", changes[0].Field)
		assert.Equal(t, json.RawMessage(`[1]`), changes[0].New)
		assert.Equal(t, json.RawMessage(`"Jane Doe"`), changes[1].New)
		assert.Nil(t, changes[2].New)
		events, err := q.All(t.Context())
		require.NoError(t, err)
		is, err := events[1].New()
		require.NoError(t, err)
		assert.Equal(t, sink.Values{"id": json.RawMessage("2"), "name": json.RawMessage(`"Jane Smith"`)}, is)
		n, err := retrieval.ForTable(db, "nothing").Count(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// A type that has changed since must not make the history unreadable.
func TestValuesThatNoLongerFitAreJSON(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		record(t, db, sqlsink.New(), sink.Event{Key: key(2), Changes: map[string]sink.Change{
			"since": {Old: json.RawMessage(`{"was":"JSON"}`), New: quoted("2026-01-01T00:00:00.000000Z")}}})
		events, err := retrieval.For[Customer](db).All(t.Context())
		require.NoError(t, err)
		c := events[0].Fields()[0]
		assert.Equal(t, json.RawMessage(`{"was":"JSON"}`), c.Old)
		assert.IsType(t, time.Time{}, c.New)
		_, err = events[0].Old()
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "was")
	})
}

func TestStreamsReadManyPagesAndCanBeLeft(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		events := make([]sink.Event, 450)
		for i := range events {
			events[i] = renamed(2, fmt.Sprint(i), fmt.Sprint(i+1))
		}
		record(t, db, sqlsink.New(), events...)
		// A pool of one connection would block if the stream held it.
		pool := db.OpenWith(t, 1)
		for _, q := range []*retrieval.Query[Customer]{retrieval.For[Customer](pool), retrieval.For[Customer](pool).NewestFirst()} {
			n := 0
			seen := map[string]bool{}
			for e, err := range q.Key(2).Events(t.Context()) {
				require.NoError(t, err)
				seen[e.ID] = true
				if n++; n%100 == 0 {
					_, err := pool.NewSelect().ColumnExpr("1").Exec(t.Context())
					require.NoError(t, err)
				}
			}
			assert.Equal(t, 450, n)
			assert.Len(t, seen, 450)
		}
		for _, err := range retrieval.For[Customer](pool).Changes(t.Context()) {
			require.NoError(t, err)
			break
		}
		some, err := retrieval.For[Customer](pool).Limit(250).Offset(150).All(t.Context())
		require.NoError(t, err)
		require.Len(t, some, 250)
		assert.Equal(t, uuid(150), some[0].ID)
		assert.Equal(t, uuid(399), some[249].ID)
	})
}
