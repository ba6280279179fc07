package retrieval_test

import (
	"context"
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

// ids names events by their number in the fixture.
func ids(t *testing.T, q interface {
	All(context.Context) ([]retrieval.Event[Customer], error)
	Count(context.Context) (int, error)
}) string {
	t.Helper()
	events, err := q.All(t.Context())
	require.NoError(t, err)
	n, err := q.Count(t.Context())
	require.NoError(t, err)
	var out strings.Builder
	for _, e := range events {
		out.WriteByte("0123456789"[e.ID[len(e.ID)-1]-'0'])
	}
	assert.LessOrEqual(t, len(events), n)
	return out.String()
}

func TestConditions(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		at := func(n int) time.Time { return start().Add(time.Duration(n) * time.Minute) }
		type q = *retrieval.Query[Customer]
		for name, tt := range map[string]struct {
			narrow func(q) q
			want   string
		}{
			"none":                      {func(q q) q { return q }, "01234"},
			"key":                       {func(q q) q { return q.Key(2) }, "123"},
			"key of another type":       {func(q q) q { return q.Key(uint8(2)) }, "123"},
			"key of a value":            {func(q q) q { return q.Key(Customer{ID: 2}) }, "123"},
			"key of a pointer":          {func(q q) q { return q.Key(&Customer{ID: 2}) }, "123"},
			"key by name":               {func(q q) q { return q.Key(map[string]any{"id": 2}) }, "123"},
			"key of an event":           {func(q q) q { return q.Key(key(2)) }, "123"},
			"two keys":                  {func(q q) q { return q.Key(1).Key(2) }, "01234"},
			"keys":                      {func(q q) q { return q.Keys(1, []any{3}) }, "04"},
			"no keys":                   {func(q q) q { return q.Keys() }, ""},
			"key without history":       {func(q q) q { return q.Key(99) }, ""},
			"field":                     {func(q q) q { return q.Field("nick") }, "013"},
			"field by its name in Go":   {func(q q) q { return q.Field("Nick") }, "013"},
			"two fields":                {func(q q) q { return q.Key(2).Field("nick").Field("name") }, "123"},
			"redacted field":            {func(q q) q { return q.Field("email").Op(sink.Update) }, "3"},
			"no fields":                 {func(q q) q { return q.Field() }, ""},
			"actor":                     {func(q q) q { return q.By("2") }, "3"},
			"two actors":                {func(q q) q { return q.By("1", "2") }, "0123"},
			"an actor or nobody":        {func(q q) q { return q.By("2", "") }, "34"},
			"nobody":                    {func(q q) q { return q.By("") }, "4"},
			"no actors":                 {func(q q) q { return q.By() }, ""},
			"whole actor":               {func(q q) q { return q.ByActor(sink.Actor{ID: "1", Type: "user", Name: "Jane"}) }, "012"},
			"actor's type":              {func(q q) q { return q.ByActor(sink.Actor{Type: "user"}) }, "0123"},
			"zero actor":                {func(q q) q { return q.ByActor(sink.Actor{}) }, "4"},
			"on behalf of":              {func(q q) q { return q.OnBehalfOf("7") }, "3"},
			"in their own name":         {func(q q) q { return q.OnBehalfOf("").By("1") }, "012"},
			"operation":                 {func(q q) q { return q.Op(sink.Insert) }, "01"},
			"operations":                {func(q q) q { return q.Op(sink.Insert, sink.Delete) }, "014"},
			"reason":                    {func(q q) q { return q.Reason("marriage") }, "2"},
			"no reason":                 {func(q q) q { return q.Reason("").Key(2) }, "13"},
			"meta":                      {func(q q) q { return q.Meta("request_id", "r-1") }, "2"},
			"other meta":                {func(q q) q { return q.Meta("request_id", "r-2") }, ""},
			"transaction":               {func(q q) q { return q.Tx(strings.ToUpper(uuid(4711))) }, "2"},
			"between":                   {func(q q) q { return q.Between(at(1), at(3)) }, "12"},
			"between, in another zone":  {func(q q) q { z := time.FixedZone("", 3600); return q.Between(at(1).In(z), at(3).In(z)) }, "12"},
			"between, open start":       {func(q q) q { return q.Between(time.Time{}, at(2)) }, "01"},
			"between, open end":         {func(q q) q { return q.Between(at(3), time.Time{}) }, "34"},
			"since a nanosecond later":  {func(q q) q { return q.Since(at(3).Add(1)) }, "4"},
			"until the end of time":     {func(q q) q { return q.Until(time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)) }, "01234"},
			"until after that":          {func(q q) q { return q.Until(time.Unix(1<<55, 0)) }, "01234"},
			"since after that":          {func(q q) q { return q.Since(time.Unix(1<<55, 0)) }, ""},
			"since before our era":      {func(q q) q { return q.Since(time.Date(-44, 3, 15, 0, 0, 0, 0, time.UTC)) }, "01234"},
			"until a nanosecond later":  {func(q q) q { return q.Until(at(1).Add(1)) }, "01"},
			"newest first":              {func(q q) q { return q.NewestFirst() }, "43210"},
			"oldest first after all":    {func(q q) q { return q.NewestFirst().OldestFirst() }, "01234"},
			"limit":                     {func(q q) q { return q.Limit(2) }, "01"},
			"limit beyond the end":      {func(q q) q { return q.Limit(9) }, "01234"},
			"offset":                    {func(q q) q { return q.Offset(3) }, "34"},
			"newest, limit and offset":  {func(q q) q { return q.NewestFirst().Limit(2).Offset(1) }, "32"},
			"new value":                 {func(q q) q { return q.WhereNew("name", "Jane Smith") }, "2"},
			"new value, one of two":     {func(q q) q { return q.WhereNew("Name", "Jane Smith", "John") }, "02"},
			"old value":                 {func(q q) q { return q.WhereOld("name", "Jane Doe") }, "2"},
			"old value of a delete":     {func(q q) q { return q.WhereOld("name", "John") }, "4"},
			"old value of an insert":    {func(q q) q { return q.WhereOld("nick", nil) }, "3"},
			"new value NULL":            {func(q q) q { return q.WhereNew("nick", nil) }, "01"},
			"new value, a time":         {func(q q) q { return q.WhereNew("since", time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))) }, "01"},
			"new value, JSON":           {func(q q) q { return q.WhereNew("address", struct{ City string }{"Wien"}) }, "01"},
			"old and new value":         {func(q q) q { return q.WhereOld("name", "Jane Doe").WhereNew("name", "Jane Smith") }, "2"},
			"old and other new value":   {func(q q) q { return q.WhereOld("name", "Jane Doe").WhereNew("name", "Jane Doe") }, ""},
			"no new values":             {func(q q) q { return q.WhereNew("name") }, ""},
			"everything at once":        {func(q q) q { return q.Key(2).Field("name").By("1").Between(at(0), at(9)).Op(sink.Update).Limit(1) }, "2"},
			"a text with a placeholder": {func(q q) q { return q.Reason("?").Meta("?0", "'?") }, ""},
		} {
			t.Run(name, func(t *testing.T) {
				assert.Equal(t, tt.want, ids(t, tt.narrow(retrieval.For[Customer](db))))
			})
		}
	})
}

func TestAQueryCanRunTwiceAndInATransaction(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		q := retrieval.For[Customer](db).Key(2)
		assert.Equal(t, ids(t, q), ids(t, q))
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, tx.Rollback()) }()
		assert.Equal(t, "123", ids(t, retrieval.For[Customer](tx).Key(2)))
	})
}

func TestKeysOfSeveralColumns(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		seat := func(tenant string, no string) sink.Event {
			return sink.Event{Table: "seats", Model: "Seat", Op: sink.Insert, Key: sink.Values{"tenant": quoted(tenant), "no": []byte(no)}}
		}
		record(t, db, sqlsink.New(), seat("a", "1"), seat("a", "2"), seat("<&>\u2028", "1"), renamed(1, "a", "b"))
		count := func(q *retrieval.Query[Seat]) int {
			n, err := q.Count(t.Context())
			require.NoError(t, err)
			return n
		}
		all := func() *retrieval.Query[Seat] { return retrieval.For[Seat](db) }
		assert.Equal(t, 3, count(all()))
		assert.Equal(t, 1, count(all().Key("a", 1)))
		assert.Equal(t, 1, count(all().Key("<&>\u2028", int32(1))))
		assert.Equal(t, 2, count(all().Keys([]any{"a", 1}, []any{"a", 2}, []any{"b", 3})))
		assert.Equal(t, 2, count(all().Keys(Seat{Tenant: "a", No: 1}, map[string]any{"no": 2, "tenant": "a"})))
	})
}

func TestOtherTablesOfEvents(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		record(t, db, sqlsink.New(sqlsink.Table("my.trail")), renamed(2, "a", "b"))
		assert.Equal(t, "0", ids(t, retrieval.For[Customer](db).From("my.trail")))
		if db.Backend == testdb.Postgres {
			schema := db.NewSchema(t)
			record(t, db, sqlsink.New(sqlsink.Schema(schema)), renamed(2, "a", "b"), renamed(2, "b", "c"))
			assert.Equal(t, "01", ids(t, retrieval.For[Customer](db).InSchema(schema)))
		}
	})
}
