package sqlsink_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// thisMonth is when the present month has begun.
func thisMonth() time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// monthly are an event in the middle of each month from one to another one,
// counted from this month.
func monthly(from, to int) []sink.Event {
	all := events(to - from + 1)
	for i := range all {
		all[i].Time = thisMonth().AddDate(0, from+i, 14)
		all[i].ID = fmt.Sprintf("0193a0a0-0000-7000-8000-%012x", from+i+1000)
	}
	return all
}

func writeAll(t *testing.T, s *sqlsink.Sink, db bun.IDB, all []sink.Event) {
	t.Helper()
	require.NoError(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, all) }))
}

func names(all []sqlsink.Partition) []string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.Name
	}
	return out
}

// named are the names of the partitions of months, counted from this one.
func named(from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, thisMonth().AddDate(0, i, 0).Format("audit_events_2006_01"))
	}
	return out
}

// in lists the times of the events that a table has, by the table's name.
func in(t *testing.T, db bun.IDB, table string) (times []time.Time) {
	t.Helper()
	require.NoError(t, db.NewSelect().Table(table).Column("time").Order("seq").Scan(t.Context(), &times))
	for i := range times {
		times[i] = times[i].UTC()
	}
	return times
}

func TestMonthlyStoresEventsInTheirMonthAndLosesNone(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	s := sqlsink.New(sqlsink.Monthly())
	require.NoError(t, s.CreateTable(t.Context(), db))
	require.NoError(t, s.CreateTable(t.Context(), db), "again")
	all, err := s.Partitions(t.Context(), db)
	require.NoError(t, err)
	require.Equal(t, append(named(0, 3), "audit_events_default"), names(all))
	assert.Equal(t, thisMonth(), all[0].From)
	assert.Equal(t, thisMonth().AddDate(0, 1, 0), all[0].Until)
	assert.Positive(t, all[0].Bytes)

	months := monthly(-2, 6)
	writeAll(t, s, db, months)
	assert.Equal(t, months, stored(t, db.DB, defaultTable()), "in the order in which they were written")
	assert.Equal(t, []time.Time{months[2].Time}, in(t, db, named(0, 0)[0]))
	assert.Len(t, in(t, db, "audit_events_default"), 5, "two that are too old and three that are too new")

	added, err := s.AddPartitions(t.Context(), db, 5)
	require.NoError(t, err)
	assert.Equal(t, named(4, 5), names(added))
	assert.Equal(t, []time.Time{months[6].Time}, in(t, db, named(4, 4)[0]), "moved")
	assert.Len(t, in(t, db, "audit_events_default"), 3)
	assert.Equal(t, months, stored(t, db.DB, defaultTable()))
	added, err = s.AddPartitions(t.Context(), db, 5)
	require.NoError(t, err)
	assert.Empty(t, added)
}

func TestDetachTakesWholeMonthsAway(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	s := sqlsink.New(sqlsink.Monthly())
	require.NoError(t, s.CreateTable(t.Context(), db))
	months := monthly(0, 3)
	writeAll(t, s, db, months)

	cut := thisMonth().AddDate(0, 2, 20)
	would, err := s.DetachPartitions(t.Context(), db, cut, sqlsink.DetachOptions{DryRun: true})
	require.NoError(t, err)
	assert.Equal(t, named(0, 1), names(would))
	assert.Equal(t, months, stored(t, db.DB, defaultTable()), "nothing was done")

	gone, err := s.DetachPartitions(t.Context(), db, thisMonth().AddDate(0, 1, 0), sqlsink.DetachOptions{})
	require.NoError(t, err)
	assert.Equal(t, named(0, 0), names(gone))
	assert.Equal(t, months[1:], stored(t, db.DB, defaultTable()))
	assert.Len(t, in(t, db, gone[0].Name), 1, "it is a table of its own")

	gone, err = s.DetachPartitions(t.Context(), db, cut, sqlsink.DetachOptions{Drop: true})
	require.NoError(t, err)
	assert.Equal(t, named(1, 1), names(gone))
	assert.Equal(t, months[2:], stored(t, db.DB, defaultTable()))
	_, err = db.NewSelect().Table(gone[0].Name).Count(t.Context())
	assert.Error(t, err, "it was dropped")

	again := monthly(1, 1)
	again[0].ID = months[1].ID
	writeAll(t, s, db, again)
	assert.Len(t, in(t, db, "audit_events_default"), 1, "what comes late has a place")
}

// Whoever reads or writes for long must not make everybody else wait.
func TestDetachWaitsForOthersWithoutAQueue(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	s := sqlsink.New(sqlsink.Monthly())
	require.NoError(t, s.CreateTable(t.Context(), db))
	long, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = long.Rollback() }()
	require.NoError(t, s.Write(t.Context(), long, monthly(0, 0)))

	var wg sync.WaitGroup
	wg.Go(func() {
		gone, err := s.DetachPartitions(t.Context(), db, thisMonth().AddDate(0, 1, 0), sqlsink.DetachOptions{})
		assert.NoError(t, err)
		assert.Len(t, gone, 1)
	})
	for i := range 20 {
		e := monthly(1, 1)
		e[0].ID = fmt.Sprintf("0193a0a0-0000-7000-8000-%012x", i)
		writeAll(t, s, db, e)
		time.Sleep(10 * time.Millisecond)
	}
	require.NoError(t, long.Commit())
	wg.Wait()
	assert.Len(t, stored(t, db.DB, defaultTable()), 20)
}

func TestAddPartitionsWhileOthersWrite(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	s := sqlsink.New(sqlsink.Monthly())
	require.NoError(t, s.CreateTable(t.Context(), db))
	var wg sync.WaitGroup
	const writers, each = 4, 30
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				e := monthly(4+i%6, 4+i%6)
				e[0].ID = fmt.Sprintf("0193a0a0-%04x-7000-8000-%012x", w, i)
				assert.NoError(t, db.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return s.Write(ctx, tx, e) }))
			}
		})
	}
	for range 2 { // programs that start at the same time
		pool := db.Open(t)
		wg.Go(func() {
			for ahead := 4; ahead < 10; ahead++ {
				_, err := s.AddPartitions(t.Context(), pool, ahead)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Len(t, stored(t, db.DB, defaultTable()), writers*each)
	assert.Empty(t, in(t, db, "audit_events_default"))
}

func TestMonthlyInTheCallersTransactionRollsBackWithIt(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	s := sqlsink.New(sqlsink.Monthly())
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("SET LOCAL lock_timeout = '7s'")
	require.NoError(t, err)
	require.NoError(t, s.CreateTable(t.Context(), tx))
	var timeout string
	require.NoError(t, tx.NewRaw("SHOW lock_timeout").Scan(t.Context(), &timeout))
	assert.Equal(t, "7s", timeout)
	require.NoError(t, tx.Rollback())
	_, err = s.Partitions(t.Context(), db)
	assert.ErrorIs(t, err, sqlsink.ErrNoTable)
}

func TestMonthlyElsewhereIsAnOrdinaryTable(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		if db.Backend != testdb.Postgres {
			s = sqlsink.New(sqlsink.Monthly())
		}
		migrateAll(t, db, s)
		write(t, s, db, 1)
		_, err := s.Partitions(t.Context(), db)
		assert.ErrorIs(t, err, sqlsink.ErrNotPartitioned)
		_, err = s.AddPartitions(t.Context(), db, 1)
		assert.ErrorIs(t, err, sqlsink.ErrNotPartitioned)
		_, err = s.DetachPartitions(t.Context(), db, time.Now(), sqlsink.DetachOptions{})
		assert.ErrorIs(t, err, sqlsink.ErrNotPartitioned)
	})
}
