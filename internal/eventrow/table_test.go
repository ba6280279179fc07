package eventrow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
)

func events(n int) []sink.Event {
	s := make([]sink.Event, n)
	for i := range s {
		s[i] = event(i + 1)
	}
	return s
}

func create(t testing.TB, db *testdb.DB, table eventrow.Table) {
	t.Helper()
	stmts, err := table.Create(db.Dialect())
	require.NoError(t, err)
	for _, s := range stmts {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
}

func read(t testing.TB, db *testdb.DB, table eventrow.Table) []sink.Event {
	t.Helper()
	var rows []eventrow.Row
	require.NoError(t, db.NewSelect().Model(&rows).ModelTableExpr("? AS e", table.Expr()).Order("seq").Scan(t.Context()))
	got := make([]sink.Event, len(rows))
	for i := range rows {
		var err error
		got[i], err = rows[i].ToEvent()
		require.NoError(t, err)
	}
	return got
}

func TestBatchesAreBoundedAndInOrder(t *testing.T) {
	big := func(n int) []sink.Event { // events of 100 kB
		s := events(n)
		for i := range s {
			s[i].Changes["name"] = sink.Change{New: json.RawMessage(`"` + strings.Repeat("x", 100_000) + `"`)}
		}
		return s
	}
	huge := append(append(events(2), big(1)...), events(1)...)
	huge[2].Changes["name"] = sink.Change{New: json.RawMessage(`"` + strings.Repeat("x", 2_000_000) + `"`)}
	for name, tt := range map[string]struct {
		events []sink.Event
		want   []int
	}{
		"none":                         {nil, nil},
		"one":                          {events(1), []int{1}},
		"as many as fit one statement": {events(500), []int{500}},
		"one more than that":           {events(501), []int{500, 1}},
		"large events share by size":   {big(12), []int{5, 5, 2}},
		"an event that is too large":   {huge, []int{2, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			batches, err := eventrow.Encode(tt.events)
			require.NoError(t, err)
			var sizes []int
			var ids []string
			for _, b := range batches {
				sizes = append(sizes, len(b))
				for _, row := range b {
					ids = append(ids, row.ID)
				}
			}
			assert.Equal(t, tt.want, sizes)
			for i, e := range tt.events {
				assert.Equal(t, e.ID, ids[i])
			}
		})
	}
}

// statements is a hook that keeps what was sent.
type statements struct {
	mu   sync.Mutex
	sent []string
}

func (s *statements) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }
func (s *statements) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, e.Query)
}

func TestInsertIsOneStatementABatchAndReturnsNothing(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		table := eventrow.Table{Name: "log"}
		create(t, db, table)
		hook := new(statements)
		batches, err := eventrow.Encode(events(501))
		require.NoError(t, err)
		hooked := db.Open(t)
		hooked.AddQueryHook(hook)
		require.NoError(t, table.Insert(t.Context(), hooked, hooked, batches))
		require.Len(t, hook.sent, 2)
		for _, query := range hook.sent {
			query = strings.ReplaceAll(query, "`", `"`)
			assert.True(t, strings.HasPrefix(query, `INSERT INTO "log" ("id", "time", "op",`), "%.80s", query)
			assert.NotContains(t, query, "RETURNING")
			assert.NotContains(t, query, "DEFAULT")
			assert.NotContains(t, query, `"seq"`)
		}
	})
}

// A column that is empty in the first row of a batch only is the case that
// builders of multi-row inserts get wrong.
func TestRowsOfABatchDifferInWhatTheyHave(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		table := eventrow.Table{Name: "log"}
		create(t, db, table)
		batch := events(3)
		batch[0].Key, batch[0].Changes, batch[0].Model = nil, nil, ""
		batch[1].Reason, batch[1].Meta, batch[1].Soft = "why", map[string]string{"a": "b"}, true
		batch[2].Actor.OnBehalfOf, batch[2].OldKey = "7", sink.Values{"id": json.RawMessage("9")}
		batches, err := eventrow.Encode(batch)
		require.NoError(t, err)
		require.NoError(t, table.Insert(t.Context(), db.DB, db.DB, batches))
		assert.Equal(t, batch, read(t, db, table))
		var nulls int
		require.NoError(t, db.NewRaw("SELECT count(*) FROM log WHERE ? IS NULL AND changes IS NULL AND model IS NULL AND meta IS NULL AND actor_id IS NULL", bun.Ident("key")).
			Scan(t.Context(), &nulls))
		assert.Equal(t, 1, nulls)
	})
}

// randomEvents have the texts that break quoting.
func randomEvents(t testing.TB, n int) []sink.Event {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{"a", "'", `"`, `\`, "?", "?0", "$1", "--", "/*", ";", "\n", "\r", "\t", "\x01", "\x7f", "%", "ж", "猫", "👩‍👩‍👧", "\u2028", "\ufeff", "{", "}", "E'", "\\'"}
	text := func() string {
		var b strings.Builder
		for range r.IntN(8) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	value := func() json.RawMessage {
		v, err := json.Marshal([]any{text(), r.Int64(), nil, r.IntN(2) == 0}[r.IntN(4)])
		require.NoError(t, err)
		return v
	}
	out := make([]sink.Event, n)
	for i := range out {
		e := event(i + 1)
		e.Table, e.Model, e.Reason = "t"+text(), text(), text()
		e.Actor = sink.Actor{ID: text(), Type: text(), Name: text(), OnBehalfOf: text()}
		e.Key = sink.Values{text(): value(), text(): value()}
		e.OldKey = sink.Values{text(): value()}
		e.Changes = map[string]sink.Change{text(): {Old: value()}, text(): {New: value()}, text(): {Mask: sink.Redacted}}
		e.Meta = map[string]string{text(): text()}
		e.Soft = r.IntN(2) == 0
		e.Time = time.UnixMicro(r.Int64N(1e16)).UTC()
		out[i] = e
	}
	return out
}

// Random events on real databases.
func TestRandomEventsComeBack(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		table := eventrow.Table{Name: "log"}
		create(t, db, table)
		want := randomEvents(t, 400)
		batches, err := eventrow.Encode(want)
		require.NoError(t, err)
		require.NoError(t, table.Insert(t.Context(), db.DB, db.DB, batches))
		got := read(t, db, table)
		require.Len(t, got, len(want))
		for i := range want {
			// Value by value: PostgreSQL writes escapes in another way.
			w, err := json.Marshal(want[i])
			require.NoError(t, err)
			g, err := json.Marshal(got[i])
			require.NoError(t, err)
			require.JSONEq(t, string(w), string(g))
		}
	})
}

// Rows that were looked up by the canonical key and by time are found on every
// database, which is what retrieval builds on.
func TestRowsAreFoundByKeyAndTime(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		table := eventrow.Table{Name: "log"}
		create(t, db, table)
		batch := events(20)
		for i := range batch {
			batch[i].Key = sink.Values{"b": json.RawMessage(fmt.Sprintf(`"it's <%d>"`, i)), "a": json.RawMessage("1")}
			batch[i].Time = batch[0].Time.Add(time.Duration(i) * time.Microsecond)
		}
		batches, err := eventrow.Encode(batch)
		require.NoError(t, err)
		require.NoError(t, table.Insert(t.Context(), db.DB, db.DB, batches))

		key, err := eventrow.Canonical(sink.Values{"a": json.RawMessage("1"), "b": json.RawMessage(`"it's <7>"`)})
		require.NoError(t, err)
		var rows []eventrow.Row
		require.NoError(t, db.NewSelect().Model(&rows).ModelTableExpr("? AS e", table.Expr()).
			Where("e.key = ?", key).Scan(t.Context()))
		require.Len(t, rows, 1)
		assert.Equal(t, batch[7].ID, rows[0].ID)

		n, err := db.NewSelect().ModelTableExpr("? AS e", table.Expr()).Model((*eventrow.Row)(nil)).
			Where("e.time >= ?", eventrow.NewTime(batch[3].Time)).
			Where("e.time < ?", eventrow.NewTime(batch[9].Time)).Count(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 6, n)
	})
}

func TestInsertNewLeavesTheOldAlone(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		table := eventrow.Table{Name: "log"}
		create(t, db, table)
		want := events(5)
		for _, step := range []struct{ to, fresh int }{{2, 2}, {2, 0}, {5, 3}} {
			batches, err := eventrow.Encode(events(step.to))
			require.NoError(t, err)
			n, err := table.InsertNew(t.Context(), db.DB, db.DB, batches)
			require.NoError(t, err)
			assert.EqualValues(t, step.fresh, n)
		}
		other := events(1)
		other[0].Reason = "another"
		batches, err := eventrow.Encode(other)
		require.NoError(t, err)
		n, err := table.InsertNew(t.Context(), db.DB, db.DB, batches)
		require.NoError(t, err)
		assert.Zero(t, n)
		assert.Equal(t, want, read(t, db, table))
	})
}
