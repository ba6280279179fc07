package retrieval_test

import (
	"encoding/json"
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

// A history whose events are in several partitions is one history.
func TestHistoryAcrossMonths(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	ctx := bunaudit.WithActor(t.Context(), sink.Actor{ID: "dpo"})
	events := sqlsink.New(sqlsink.Monthly())
	require.NoError(t, events.CreateTable(ctx, db))
	hook := bunaudit.New(bunaudit.Config{Sink: events, HashKey: hashKey})
	pool := db.Open(t)
	_, err := pool.NewCreateTable().Model((*Person)(nil)).Exec(ctx)
	require.NoError(t, err)
	rows := people(3)
	_, err = pool.NewInsert().Model(&rows).Exec(ctx) // before there is a hook
	require.NoError(t, err)
	pool.AddQueryHook(hook)
	all := func() *retrieval.Query[Person] { return retrieval.For[Person](pool) }

	n, err := all().Baseline(ctx, retrieval.BaselineOptions{HashKey: hashKey})
	require.NoError(t, err)
	assert.Equal(t, int64(3), n)
	_, err = pool.NewUpdate().Model((*Person)(nil)).Set("name = 'second'").Where("id = 1").Exec(ctx)
	require.NoError(t, err)
	var later []sink.Event // a change in each of the next months, and in one that has no partition
	for i := 1; i <= 6; i++ {
		later = append(later, sink.Event{
			ID: uuid(i), Tx: uuid(i), Time: planned().AddDate(0, i, 0), Table: "people", Op: sink.Update, Key: key(1),
			Changes: map[string]sink.Change{"name": {Old: quoted("old"), New: quoted(string(rune('0' + i)))}},
		})
	}
	record(t, db, events, later...)

	year := planned().AddDate(1, 0, 0)
	versions, err := retrieval.Collect(all().Key(1).Versions(ctx))
	require.NoError(t, err)
	assert.Len(t, versions, 8)
	for i := 1; i <= 6; i++ {
		was, err := all().Key(1).AsOf(ctx, planned().AddDate(0, i, 3))
		require.NoError(t, err)
		assert.Equal(t, string(rune('0'+i)), was.Name)
	}
	table := 0
	for row, err := range all().RowsAsOf(ctx, year) {
		require.NoError(t, err)
		assert.Nil(t, row.Incomplete)
		table++
	}
	assert.Equal(t, 3, table)
	assert.Equal(t, []string{"differs 1 name"}, findings(t, all(), retrieval.VerifyOptions{}))
	_, err = pool.NewUpdate().Model((*Person)(nil)).Set("name = '6'").Where("id = 1").Exec(ctx)
	require.NoError(t, err)
	assert.Empty(t, findings(t, all(), retrieval.VerifyOptions{}))

	changed, err := all().Key(1).Erase(ctx, "name")
	require.NoError(t, err)
	assert.Equal(t, 9, changed)
	found, err := all().Key(1).WhereNew("name", "2").Count(ctx)
	require.NoError(t, err)
	assert.Zero(t, found)

	_, err = all().Key(1).Since(planned().AddDate(0, 1, 0)).Until(planned().AddDate(0, 4, 0)).Prune(ctx, retrieval.PruneOptions{BatchSize: 2})
	require.NoError(t, err)
	gone, err := events.DetachPartitions(ctx, db, planned().AddDate(0, 4, 0), sqlsink.DetachOptions{Drop: true})
	require.NoError(t, err)
	assert.Len(t, gone, 4)
	left, err := retrieval.Collect(all().Events(ctx))
	require.NoError(t, err)
	require.Len(t, left, 3, "in the partition for the rest")
	assert.Equal(t, json.RawMessage("1"), left[0].Key["id"])
	_, err = all().Key(1).AsOf(ctx, time.Now().AddDate(2, 0, 0))
	assert.ErrorIs(t, err, retrieval.ErrIncomplete)
}
