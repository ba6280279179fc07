package retrieval_test

import (
	"bytes"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func TestErase(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		record(t, db, sqlsink.New(), things("insert 1 secret y", "update 1 a=secret2", "move 1 2", "insert 3 secret y")...)
		ctx := bunaudit.WithReason(bunaudit.WithActor(t.Context(), sink.Actor{ID: "dpo"}), "request 118")
		all := func() *retrieval.Query[Thing] { return retrieval.For[Thing](db) }

		_, err := all().Key(2).Erase(t.Context(), "a")
		require.ErrorContains(t, err, "WithActor")
		for want, run := range map[string]func() (int, error){
			"keys":   func() (int, error) { return all().Erase(ctx, "a") },
			"fields": func() (int, error) { return all().Key(2).Erase(ctx) },
			"nope":   func() (int, error) { return all().Key(2).Erase(ctx, "nope") },
			"id":     func() (int, error) { return all().Key(2).Erase(ctx, "id") },
			"alone":  func() (int, error) { return all().Key(2).By("1").Erase(ctx, "a") },
		} {
			_, err := run()
			require.ErrorContains(t, err, want)
		}

		n, err := all().Key(2).Erase(ctx, "A")
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		var left bytes.Buffer
		_, err = all().Key(2).WriteJSONLines(ctx, &left)
		require.NoError(t, err)
		assert.NotContains(t, left.String(), "secret")
		last, err := all().Key(2).Last(ctx)
		require.NoError(t, err)
		assert.Equal(t, sink.Erase, last.Op)
		assert.Equal(t, "dpo", last.Actor.ID)
		assert.Equal(t, "request 118", last.Reason)
		assert.Equal(t, map[string]sink.Change{"a": {Mask: sink.Erased}}, last.Changes)
		row, err := all().Key(2).RowAsOf(ctx, time.Now())
		require.NoError(t, err)
		assert.Equal(t, map[string]sink.Mask{"a": sink.Erased}, row.Masked)
		assert.Equal(t, json.RawMessage(`"y"`), row.Values["b"])
		other, err := all().Key(3).AsOf(ctx, time.Now())
		require.NoError(t, err)
		assert.Equal(t, "secret", other.A, "another row")
		n, err = all().Key(2).Erase(ctx, "a")
		require.NoError(t, err)
		assert.Zero(t, n, "there is nothing left")

		before, err := retrieval.ForAll(db).Count(ctx)
		require.NoError(t, err)
		_, err = all().Keys(2, 4).Erase(ctx, "a")
		require.ErrorIs(t, err, sql.ErrNoRows)
		require.ErrorContains(t, err, `no event has the key {"id":4}`)
		untyped := retrieval.ForTable(db, "things").Key(map[string]any{"id": 2})
		_, err = untyped.Erase(ctx, "b", "mail")
		require.ErrorContains(t, err, "no event of the rows has a field mail: they have a, b")
		after, err := retrieval.ForAll(db).Count(ctx)
		require.NoError(t, err)
		assert.Equal(t, before, after, "refused as a whole")
		n, err = untyped.Erase(ctx, "b")
		require.NoError(t, err)
		assert.Equal(t, 1, n)
	})
}

func TestPrune(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		record(t, db, sqlsink.New(), append(things("insert 1 x y", "update 1 a=1", "update 1 a=2", "update 1 a=3", "update 1 a=4"), renamed(1, "a", "b"))...)
		ctx := t.Context()
		all := func() *retrieval.Query[Thing] { return retrieval.For[Thing](db) }
		_, err := all().Prune(ctx, retrieval.PruneOptions{})
		require.ErrorContains(t, err, "no condition")
		_, err = all().Limit(1).Prune(ctx, retrieval.PruneOptions{Keep: 1})
		require.ErrorContains(t, err, "limit")

		old := start().Add(2 * time.Minute)
		n, err := all().Until(old).Prune(ctx, retrieval.PruneOptions{DryRun: true})
		require.NoError(t, err)
		assert.Equal(t, int64(2), n)
		var progress []int64
		n, err = all().Until(old).Prune(ctx, retrieval.PruneOptions{BatchSize: 1, Progress: func(p retrieval.Progress) { progress = append(progress, p.Rows) }})
		require.NoError(t, err)
		assert.Equal(t, int64(2), n)
		assert.Equal(t, []int64{1, 2}, progress)
		left, err := all().Count(ctx)
		require.NoError(t, err)
		assert.Equal(t, 3, left)
		_, err = all().Key(1).AsOf(ctx, time.Now())
		require.ErrorIs(t, err, retrieval.ErrIncomplete)

		n, err = all().Prune(ctx, retrieval.PruneOptions{Keep: 1})
		require.NoError(t, err)
		assert.Equal(t, int64(2), n)
		n, err = all().Prune(ctx, retrieval.PruneOptions{Keep: 1})
		require.NoError(t, err)
		assert.Zero(t, n)
		others, err := retrieval.For[Customer](db).Count(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, others)
	})
}

func TestExport(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		ctx := t.Context()
		var out bytes.Buffer
		n, err := retrieval.For[Customer](db).Key(2).WriteJSONLines(ctx, &out)
		require.NoError(t, err)
		assert.Equal(t, 3, n)
		events, err := retrieval.For[Customer](db).Key(2).All(ctx)
		require.NoError(t, err)
		for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			var e sink.Event
			require.NoError(t, json.Unmarshal([]byte(line), &e))
			assert.Equal(t, events[i].Event, e)
		}

		out.Reset()
		n, err = retrieval.For[Customer](db).Key(2).Field("name", "nick").WriteCSV(ctx, &out)
		require.NoError(t, err)
		assert.Equal(t, 4, n)
		lines, err := csv.NewReader(&out).ReadAll()
		require.NoError(t, err)
		require.Len(t, lines, 5)
		assert.Equal(t, []string{"2026-01-02T03:06:05Z", "update", "customers", `{"id":2}`, "name", `"Jane Doe"`, `"Jane Smith"`, "",
			"1", "user", "Jane", "", "marriage", uuid(4711), uuid(2)}, lines[3])

		record(t, db, sqlsink.New(), sink.Event{ID: uuid(50), Op: sink.Truncate}, // no field has changed
			sink.Event{ID: uuid(51), Op: sink.Insert, Table: "members", Key: sink.Values{"team": json.RawMessage(`1`), "person": json.RawMessage(`2`)}})
		out.Reset()
		n, err = retrieval.ForAll(db).Op(sink.Truncate, sink.Insert).Offset(13).WriteCSV(ctx, &out)
		require.NoError(t, err)
		assert.Equal(t, 3, n)
		lines, err = csv.NewReader(&out).ReadAll()
		require.NoError(t, err)
		assert.Equal(t, []string{"truncate", "customers", "", ""}, lines[2][1:5])
		assert.Equal(t, []string{"insert", "members", `{"person":2,"team":1}`, ""}, lines[3][1:5])

		_, err = retrieval.For[Customer](db).WriteJSONLines(ctx, full{})
		require.ErrorIs(t, err, errFull)
		_, err = retrieval.For[Customer](db).WriteCSV(ctx, full{})
		require.ErrorIs(t, err, errFull)
	})
}

var errFull = errors.New("no space left")

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
