package retrieval_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
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

func TestPagesGiveEachEventOnce(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		var events []sink.Event
		for i := range 7 {
			events = append(events, renamed(1+i%2, fmt.Sprint(i), fmt.Sprint(i+1)))
		}
		record(t, db, sqlsink.New(), events...)
		all := func() *retrieval.Query[Customer] { return retrieval.For[Customer](db).Limit(3) }
		for want, q := range map[string]*retrieval.Query[Customer]{
			"012 345 6 ": all(),
			"654 321 0 ": all().NewestFirst(),
			"024 6 ":     all().Key(1),
			"0123456 ":   all().Limit(0),
			" ":          all().Key(9),
		} {
			got, cursor := "", ""
			for {
				page, err := q.After(cursor).Page(t.Context())
				require.NoError(t, err)
				for _, e := range page.Events {
					got += e.ID[len(e.ID)-1:]
				}
				got += " "
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			assert.Equal(t, want, got)
		}
	})
}

func TestACursorBelongsToItsQuery(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		events, err := retrieval.For[Customer](db).All(t.Context())
		require.NoError(t, err)
		cursor := events[1].Cursor()
		assert.Equal(t, "234", ids(t, retrieval.For[Customer](db).After(cursor)))
		assert.Equal(t, "34", ids(t, retrieval.For[Customer](db).After(cursor).Offset(1)))
		assert.Equal(t, "23", ids(t, retrieval.For[Customer](db).After(cursor).Key(2)), "other conditions may differ")
		_, err = retrieval.For[Customer](db).After(cursor).NewestFirst().All(t.Context())
		require.ErrorIs(t, err, retrieval.ErrCursor)
		_, err = retrieval.For[Seat](db).After(cursor).All(t.Context())
		require.ErrorIs(t, err, retrieval.ErrCursor)
		_, err = retrieval.For[Customer](db).From("other").After(cursor).All(t.Context())
		require.ErrorIs(t, err, retrieval.ErrCursor)
		assert.Empty(t, retrieval.Event[Customer]{}.Cursor())
	})
}

func FuzzCursor(f *testing.F) {
	db := testdb.New(f, testdb.SQLite)
	record(f, db, sqlsink.New(), renamed(1, "a", "b"))
	events, err := retrieval.For[Customer](db).All(f.Context())
	require.NoError(f, err)
	f.Add(events[0].Cursor())
	f.Add("")
	f.Add("AQEAAAAA_____________wE")
	f.Fuzz(func(t *testing.T, cursor string) {
		// Any text is a place, or an error; what is a place comes out as it went in.
		page, err := retrieval.For[Customer](db).After(cursor).Page(t.Context())
		if err != nil {
			require.ErrorIs(t, err, retrieval.ErrCursor)
		}
		for _, e := range page.Events {
			again, err := retrieval.For[Customer](db).After(e.Cursor()).Page(t.Context())
			require.NoError(t, err)
			assert.Empty(t, again.Events)
		}
	})
}

func TestFirstLastAndPrevious(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		n := func(e retrieval.Event[Customer], err error) string {
			t.Helper()
			require.NoError(t, err)
			return e.ID[len(e.ID)-1:]
		}
		ctx := t.Context()
		q := retrieval.For[Customer](db).Key(2).NewestFirst().Offset(1).Limit(1)
		assert.Equal(t, "1", n(q.First(ctx)))
		assert.Equal(t, "3", n(q.Last(ctx)))
		last, err := q.Last(ctx)
		require.NoError(t, err)
		before, err := q.Previous(ctx, last)
		assert.Equal(t, "2", n(before, err))
		assert.Equal(t, "1", n(q.Previous(ctx, before)))
		assert.Equal(t, "1", n(retrieval.For[Customer](db).Field("nick").Previous(ctx, last)), "of another query")
		first, err := q.First(ctx)
		require.NoError(t, err)
		_, err = q.Previous(ctx, first)
		require.ErrorIs(t, err, sql.ErrNoRows)
		_, err = retrieval.For[Customer](db).Key(9).First(ctx)
		require.ErrorIs(t, err, sql.ErrNoRows)
	})
}

// Who reads pages while others write gets all that was there when he began,
// once, in both orders.
func TestPagesWhileEventsAreWritten(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New()
		var first []sink.Event
		for i := range 300 {
			first = append(first, renamed(1, fmt.Sprint(i), fmt.Sprint(i+1)))
		}
		record(t, db, s, first...)
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		var writers sync.WaitGroup
		for w := range 2 {
			writers.Go(func() {
				for i := 0; ctx.Err() == nil && i < 2000; i++ {
					e := renamed(1, "a", "b")
					fill(&e, 1000+w*100000+i)
					_ = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
						if _, err := tx.NewRaw("UPDATE audit_events SET seq = seq WHERE 1 = 0").Exec(ctx); err != nil {
							return err
						}
						return s.Write(ctx, tx, []sink.Event{e})
					})
				}
			})
		}
		for _, newest := range []bool{false, true} {
			seen := map[string]int{}
			q := retrieval.For[Customer](db).Key(1).Limit(20)
			if newest {
				q.NewestFirst()
			}
			for n, cursor := 0, ""; n < 40; n++ {
				page, err := q.After(cursor).Page(ctx)
				require.NoError(t, err)
				for _, e := range page.Events {
					seen[e.ID]++
				}
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			for id, times := range seen {
				require.Equal(t, 1, times, id)
			}
			if !newest { // they are the oldest
				for _, e := range first {
					require.Equal(t, 1, seen[e.ID])
				}
			}
		}
		stop()
		writers.Wait()
	})
}

func TestTransactionsAreWhole(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		in := func(tx int, e sink.Event, by string) sink.Event {
			e.Tx, e.Actor.ID = uuid(tx), by
			return e
		}
		seat := sink.Event{Table: "seats", Model: "Seat", Op: sink.Insert, Key: sink.Values{"tenant": quoted("a"), "no": []byte("1")}}
		record(t, db, sqlsink.New(),
			in(501, renamed(1, "a", "b"), "1"),
			in(502, renamed(2, "a", "b"), "2"),
			in(501, seat, "2"), // interleaved
			in(503, renamed(1, "b", "c"), "1"),
			in(502, renamed(2, "b", "c"), "2"),
		)
		got := func(seq func(func(retrieval.Transaction, error) bool)) (out string) {
			t.Helper()
			for tx, err := range seq {
				require.NoError(t, err)
				out += tx.ID[len(tx.ID)-3:] + ":"
				for _, e := range tx.Events {
					out += e.ID[len(e.ID)-1:]
				}
				out += " "
			}
			return out
		}
		ctx := t.Context()
		a, b, c := uuid(501)[33:]+":02 ", uuid(502)[33:]+":14 ", uuid(503)[33:]+":3 "
		assert.Equal(t, a+b+c, got(retrieval.ForAll(db).Transactions(ctx)))
		assert.Equal(t, b+c+a, got(retrieval.ForAll(db).NewestFirst().Transactions(ctx)))
		assert.Equal(t, b+a, got(retrieval.ForAll(db).By("2").OldestFirst().Transactions(ctx)))
		assert.Equal(t, a, got(retrieval.For[Seat](db).Transactions(ctx)))
		assert.Equal(t, a+c, got(retrieval.For[Customer](db).Key(1).Transactions(ctx)))
		assert.Equal(t, b, got(retrieval.ForAll(db).Limit(1).Offset(1).Transactions(ctx)))
		assert.Equal(t, c, got(retrieval.ForAll(db).Tx(uuid(503)).Transactions(ctx)))
		for tx, err := range retrieval.For[Seat](db).Transactions(ctx) {
			require.NoError(t, err)
			assert.Equal(t, "1", tx.Actor.ID, "of the first event")
			assert.Equal(t, start(), tx.Time)
			break
		}
	})
}
