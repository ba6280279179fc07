package retrieval_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
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

// Thing is a row whose history is written by hand in these tests.
type Thing struct {
	bun.BaseModel `bun:"table:things,audit"`

	ID   int64 `bun:",pk"`
	A, B string
}

// thing makes an event of things: "insert 1 a b", "update 1 a=x", "move 1 2",
// "delete 1", "soft 1", "restore 1", "snapshot 1 a b", "truncate", "opaque".
func thing(text string) sink.Event {
	words := strings.Fields(text)
	e := sink.Event{Table: "things", Model: "Thing", Op: sink.Op(words[0])}
	if len(words) > 1 {
		e.Key = sink.Values{"id": json.RawMessage(words[1])}
	}
	switch words[0] {
	case "insert", "snapshot":
		e.Changes = map[string]sink.Change{"a": {New: quoted(words[2])}, "b": {New: quoted(words[3])}}
	case "update":
		name, v, _ := strings.Cut(words[2], "=")
		e.Changes = map[string]sink.Change{name: {Old: quoted("?"), New: quoted(v)}}
	case "move":
		e.Op, e.OldKey, e.Key = sink.Update, e.Key, sink.Values{"id": json.RawMessage(words[2])}
		e.Changes = map[string]sink.Change{"id": {Old: e.OldKey["id"], New: e.Key["id"]}}
	case "soft":
		e.Op, e.Soft = sink.Delete, true
	case "restore":
		e.Soft = true
	case "truncate", "opaque":
		e.Statement = "SOME"
	}
	return e
}

func things(texts ...string) []sink.Event {
	events := make([]sink.Event, len(texts))
	for i, text := range texts {
		events[i] = thing(text)
	}
	return events
}

// told says what a query gave of a row: its values, that there was none, or the
// number of the event that an incomplete history begins with, and what is known.
func told(row retrieval.Row[Thing], err error) string {
	var gap *retrieval.IncompleteError
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "-"
	case errors.As(err, &gap):
		return "?" + gap.Event.ID[len(gap.Event.ID)-1:] + strings.TrimSuffix(" "+values(row), " ")
	case err != nil:
		return err.Error()
	}
	return values(row)
}

func values(row retrieval.Row[Thing]) string {
	var out []string
	for _, name := range []string{"a", "b"} {
		var v string
		if raw := row.Values[name]; raw != nil {
			_ = json.Unmarshal(raw, &v)
			out = append(out, v)
		}
	}
	if row.SoftDeleted {
		out = append(out, "soft")
	}
	return strings.Join(out, " ")
}

func TestRowsAsTheyWere(t *testing.T) {
	for name, tt := range map[string]struct {
		events []string
		key    int
		want   []string // before the first event, and after each
	}{
		"a life":                      {[]string{"insert 1 x y", "update 1 a=z", "delete 1"}, 1, []string{"-", "x y", "z y", "-"}},
		"another row":                 {[]string{"insert 1 x y", "update 1 a=z", "delete 1"}, 2, []string{"-", "-", "-", "-"}},
		"twice":                       {[]string{"insert 1 x y", "delete 1", "insert 1 v w"}, 1, []string{"-", "x y", "-", "v w"}},
		"soft":                        {[]string{"insert 1 x y", "soft 1", "restore 1"}, 1, []string{"-", "x y", "x y soft", "x y"}},
		"older than its history":      {[]string{"update 1 a=x", "update 1 b=y"}, 1, []string{"?0", "?0 x", "?0 x y"}},
		"only its end":                {[]string{"delete 1"}, 1, []string{"?0", "-"}},
		"a snapshot":                  {[]string{"snapshot 1 x y", "update 1 a=z"}, 1, []string{"?0", "x y", "z y"}},
		"a snapshot in between":       {[]string{"update 1 a=x", "snapshot 1 x y"}, 1, []string{"?0", "?0 x", "x y"}},
		"truncated":                   {[]string{"insert 1 x y", "truncate", "insert 1 v w"}, 1, []string{"-", "x y", "-", "v w"}},
		"truncated, before":           {[]string{"truncate", "insert 1 v w"}, 1, []string{"-", "-", "v w"}},
		"opaque":                      {[]string{"insert 1 x y", "opaque", "update 1 a=z", "snapshot 1 z y"}, 1, []string{"-", "x y", "?1", "?1 z", "z y"}},
		"opaque, then gone":           {[]string{"insert 1 x y", "opaque", "delete 1"}, 1, []string{"-", "x y", "?1", "-"}},
		"opaque, and nothing else":    {[]string{"opaque", "truncate"}, 1, []string{"-", "?0", "-"}},
		"moved away":                  {[]string{"insert 1 x y", "move 1 2", "update 2 a=z"}, 1, []string{"-", "x y", "-", "-"}},
		"moved here":                  {[]string{"insert 1 x y", "move 1 2", "update 2 a=z"}, 2, []string{"-", "-", "x y", "z y"}},
		"moved there and back":        {[]string{"insert 1 x y", "move 1 2", "update 2 a=z", "move 2 1"}, 1, []string{"-", "x y", "-", "-", "z y"}},
		"moved, older than history":   {[]string{"move 1 2", "update 2 a=z"}, 2, []string{"-", "?0", "?0 z"}},
		"moved, older, by its old":    {[]string{"move 1 2", "update 2 a=z"}, 1, []string{"?0", "-", "-"}},
		"key used again":              {[]string{"insert 1 x y", "move 1 2", "insert 1 v w", "update 2 a=z", "update 1 b=u"}, 1, []string{"-", "x y", "-", "v w", "v w", "v u"}},
		"two rows swap by a third":    {[]string{"insert 1 x y", "insert 2 v w", "move 1 3", "move 2 1", "move 3 2", "update 1 a=z"}, 1, []string{"-", "x y", "x y", "-", "v w", "v w", "z w"}},
		"moved and truncated":         {[]string{"insert 1 x y", "move 1 2", "truncate", "move 2 1"}, 2, []string{"-", "-", "x y", "-", "-"}},
		"erased":                      {[]string{"insert 1 x y", "erase 1", "update 1 a=z"}, 1, []string{"-", "x y", "x y", "z y"}},
		"inserted behind our back":    {[]string{"insert 1 x y", "delete 1", "update 1 a=z"}, 1, []string{"-", "x y", "-", "?2 z"}},
		"deleted behind our back":     {[]string{"insert 1 x y", "insert 1 v w"}, 1, []string{"-", "x y", "v w"}},
		"truncated, then behind back": {[]string{"truncate", "update 1 a=z"}, 1, []string{"?1", "-", "?1 z"}},
	} {
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				record(t, db, sqlsink.New(), things(tt.events...)...)
				got := make([]string, len(tt.want))
				whole := make([]string, len(tt.want))
				for i := range tt.want {
					at := start().Add(time.Duration(i-1) * time.Minute)
					got[i] = told(retrieval.For[Thing](db).Key(tt.key).RowAsOf(t.Context(), at))
					whole[i] = tableAsOf(t, db, at)[tt.key]
					if whole[i] == "" {
						whole[i] = "-"
					}
				}
				assert.Equal(t, tt.want, got)
				if name == "opaque, and nothing else" {
					return // the table as a whole can't know what it has never heard of
				}
				assert.Equal(t, tt.want, whole, "of the whole table")
			})
		})
	}
}

// tableAsOf is the whole table, by key.
func tableAsOf(t *testing.T, db bun.IDB, at time.Time) map[int]string {
	t.Helper()
	rows := map[int]string{}
	for row, err := range retrieval.For[Thing](db).RowsAsOf(t.Context(), at) {
		if err != nil {
			require.ErrorIs(t, err, retrieval.ErrIncomplete)
		}
		var id int
		require.NoError(t, json.Unmarshal(row.Key["id"], &id))
		require.Empty(t, rows[id])
		rows[id] = told(row, err)
	}
	return rows
}

func TestClocksThatDiffer(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		events := things("insert 1 x y", "update 1 a=z", "update 1 b=v", "update 1 a=u")
		events[1].Time = start().Add(10 * time.Minute) // written before the two that follow
		record(t, db, sqlsink.New(), events...)
		at := start().Add(2 * time.Minute)
		assert.Equal(t, "z v", told(retrieval.For[Thing](db).Key(1).RowAsOf(t.Context(), at)), "no change without the ones before it")
		assert.Equal(t, map[int]string{1: "z v"}, tableAsOf(t, db, at))
	})
}

func TestAsOfGivesTheModel(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		ctx := t.Context()
		row, err := retrieval.For[Customer](db).Key(2).RowAsOf(ctx, start().Add(2*time.Minute))
		require.NoError(t, err)
		jane, err := retrieval.For[*Customer](db).Key(2).AsOf(ctx, start().Add(2*time.Minute))
		require.NoError(t, err)
		want := &Customer{ID: 2, Name: "Jane Smith", Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Address: struct{ City string }{"Wien"}}
		assert.Equal(t, want, jane)
		assert.Equal(t, map[string]sink.Mask{"email": sink.Redacted, "phone": sink.Hashed}, row.Masked)
		assert.Empty(t, row.Unknown)
		assert.Equal(t, json.RawMessage(`[1]`), row.Values["gone"], "the model no longer has this column")
		assert.Equal(t, uuid(2), row.Event.ID)

		values, err := retrieval.ForTable(db, "customers").Key(map[string]any{"id": 2}).AsOf(ctx, time.Now())
		require.NoError(t, err)
		assert.Equal(t, json.RawMessage(`"JJ"`), values["nick"])
		assert.Equal(t, json.RawMessage(`2`), values["id"])

		for _, far := range []time.Time{time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Unix(1<<55, 0)} {
			_, err := retrieval.For[Customer](db).Key(2).AsOf(ctx, far)
			require.NoError(t, err)
		}
		_, err = retrieval.For[Customer](db).Key(2).AsOf(ctx, time.Date(-44, 3, 15, 0, 0, 0, 0, time.UTC))
		require.ErrorIs(t, err, sql.ErrNoRows)

		n := 0
		for row, err := range retrieval.For[Customer](db).Keys(1, 2, 3).RowsAsOf(ctx, start().Add(3*time.Minute)) {
			require.NoError(t, err)
			n++
			assert.Equal(t, fmt.Sprint(n), string(row.Key["id"]))
		}
		assert.Equal(t, 2, n)
		for _, err := range retrieval.For[Customer](db).RowsAsOf(ctx, time.Now()) {
			require.NoError(t, err)
			break
		}
	})
}

func TestColumnsThatWereAddedLaterAreUnknown(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		insert := thing("insert 1 x y")
		delete(insert.Changes, "b")
		record(t, db, sqlsink.New(), insert, thing("update 1 b=z"))
		row, err := retrieval.For[Thing](db).Key(1).RowAsOf(t.Context(), start())
		require.NoError(t, err)
		assert.Equal(t, []string{"b"}, row.Unknown)
		row, err = retrieval.For[Thing](db).Key(1).RowAsOf(t.Context(), start().Add(time.Minute))
		require.NoError(t, err)
		assert.Empty(t, row.Unknown)
	})
}

func TestRowsAreAskedForByKeyAlone(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		type q = *retrieval.Query[Customer]
		for name, narrow := range map[string]func(q) q{
			"no key":    func(q q) q { return q },
			"two keys":  func(q q) q { return q.Keys(1, 2) },
			"actor":     func(q q) q { return q.Key(1).By("1") },
			"field":     func(q q) q { return q.Key(1).Field("name") },
			"limit":     func(q q) q { return q.Key(1).Limit(1) },
			"order":     func(q q) q { return q.Key(1).NewestFirst() },
			"wrong key": func(q q) q { return q.Key("x") },
		} {
			_, err := narrow(retrieval.For[Customer](db)).AsOf(t.Context(), time.Now())
			require.ErrorContains(t, err, "retrieval: ", name)
			require.NotErrorIs(t, err, sql.ErrNoRows)
			_, err = narrow(retrieval.For[Customer](db)).Diff(t.Context(), start(), time.Now())
			require.Error(t, err, name)
		}
		_, err := retrieval.Collect(retrieval.For[Customer](db).Versions(t.Context()))
		require.ErrorContains(t, err, "keys")
		_, err = retrieval.Collect(retrieval.ForAll(db).RowsAsOf(t.Context(), time.Now()))
		require.ErrorContains(t, err, "table")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = retrieval.Collect(retrieval.For[Customer](db).RowsAsOf(ctx, time.Now()))
		require.ErrorIs(t, err, context.Canceled)
	})
}

// A table of more rows and events than a page has.
func TestALargeTableAsItWas(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		var events []sink.Event
		for i := range 300 {
			events = append(events, thing(fmt.Sprintf("insert %d x y", i)))
		}
		for i := range 600 {
			events = append(events, thing(fmt.Sprintf("update %d a=z%d", i%300, i)), thing(fmt.Sprintf("update 7 b=w%d", i)))
		}
		for i := range 100 {
			events = append(events, thing(fmt.Sprintf("move %d %d", i*3, 1000+i)))
		}
		record(t, db, sqlsink.New(), events...)
		at := start().Add(time.Duration(len(events)) * time.Minute)
		rows := tableAsOf(t, db, at)
		require.Len(t, rows, 300)
		assert.Equal(t, "z307 w599", rows[7])
		assert.Equal(t, "z306 y", rows[1002])
		at = start().Add(299 * time.Minute)
		rows = tableAsOf(t, db, at)
		require.Len(t, rows, 300)
		assert.Equal(t, "x y", rows[7])
		var ids []int
		for id := range rows {
			ids = append(ids, id)
		}
		sort.Ints(ids)
		assert.Equal(t, 299, ids[299])
	})
}

func TestVersions(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		record(t, db, sqlsink.New(), things(
			"insert 1 x y", "update 1 a=z", "insert 9 q q", "soft 1", "move 1 2", "erase 2", "truncate", "insert 2 v w", "delete 2", "update 5 a=x", "opaque")...)
		show := func(q *retrieval.Query[Thing]) (out string) {
			for row, err := range q.Versions(t.Context()) {
				require.NoError(t, err)
				out += row.Event.ID[len(row.Event.ID)-1:] + ":" + values(row)
				if row.Deleted {
					out += "deleted"
				}
				if row.Incomplete != nil {
					out += "?"
				}
				out += ", "
			}
			return out
		}
		want := "0:x y, 1:z y, 3:z y soft, 4:z y soft, 6:deleted, 7:v w, 8:deleted, "
		assert.Equal(t, want, show(retrieval.For[Thing](db).Key(2)))
		assert.Equal(t, "9:x?, a:?, ", show(retrieval.For[Thing](db).Key(5)))
		assert.Empty(t, show(retrieval.For[Thing](db).Key(77)))
		for _, err := range retrieval.For[Thing](db).Key(2).Versions(t.Context()) {
			require.NoError(t, err)
			break
		}
	})
}

func TestDiff(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		customers(t, db)
		at := func(n int) time.Time { return start().Add(time.Duration(n) * time.Minute) }
		diff := func(key, from, to int) string {
			t.Helper()
			d, err := retrieval.For[Customer](db).Key(key).Diff(t.Context(), at(from), at(to))
			require.NoError(t, err)
			return d.String()
		}
		assert.Equal(t, "name: Jane Doe -> Jane Smith\nemail: [redacted] -> [redacted]\nphone: [hashed] -> [hashed]\nnick: NULL -> JJ\n", diff(2, 1, 3))
		assert.Equal(t, "name: Jane Doe -> Jane Smith\n", diff(2, 1, 2))
		assert.Empty(t, diff(2, 1, 1))
		assert.Contains(t, diff(2, 0, 1), "created\nid: 2\nname: Jane Doe\nemail: [redacted]\n")
		assert.Contains(t, diff(1, 0, 4), "deleted\nid: 1\nname: John\n")
		_, err := retrieval.For[Customer](db).Key(9).Diff(t.Context(), at(0), at(9))
		require.ErrorIs(t, err, sql.ErrNoRows)
		_, err = retrieval.For[Customer](db).Key(2).Diff(t.Context(), at(3), at(1))
		require.ErrorContains(t, err, "before the first")
		d, err := retrieval.For[Customer](db).Key(2).Diff(t.Context(), at(1), at(3))
		require.NoError(t, err)
		nick := "JJ"
		assert.Equal(t, &nick, d.Fields[3].New)
		assert.Equal(t, sink.Redacted, d.Fields[1].Mask)

		// A row that was there before its history begins was there at both times.
		older := renamed(8, "a", "b")
		older.ID, older.Tx, older.Time = uuid(80), uuid(81), at(20)
		record(t, db, sqlsink.New(), older)
		for _, to := range []int{11, 21} {
			d, err = retrieval.For[Customer](db).Key(8).Diff(t.Context(), at(10), at(to))
			require.ErrorIs(t, err, retrieval.ErrIncomplete, to)
			assert.True(t, d.Was && d.Is, to)
		}
	})
}

func TestDiffFollowsTheRow(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		record(t, db, sqlsink.New(), things("insert 1 x y", "move 1 2", "insert 1 v w", "update 2 a=z", "update 5 a=x", "update 5 b=x")...)
		diff := func(key, from, to int) (string, error) {
			d, err := retrieval.For[Thing](db).Key(key).Diff(t.Context(), start().Add(time.Duration(from)*time.Minute), start().Add(time.Duration(to)*time.Minute))
			return d.String(), err
		}
		got, err := diff(2, 0, 3)
		require.NoError(t, err)
		assert.Equal(t, "id: 1 -> 2\na: x -> z\n", got)
		got, err = diff(1, 0, 1)
		require.NoError(t, err)
		assert.Equal(t, "id: 1 -> 2\n", got, "nobody has the key any more: the one that had it")
		got, err = diff(1, 0, 3)
		require.NoError(t, err)
		assert.Equal(t, "created\nid: 1\na: v\nb: w\n", got)
		got, err = diff(5, 4, 5)
		require.ErrorIs(t, err, retrieval.ErrIncomplete)
		assert.Empty(t, got, "b was not known before")
		_, err = diff(5, 0, 5)
		require.ErrorIs(t, err, retrieval.ErrIncomplete)
	})
}

func TestLongTextsAreAUnifiedDiff(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		insert, update := thing("insert 1 x y"), thing("update 1 a=z")
		insert.Changes["a"] = sink.Change{New: quoted("one\ntwo\nthree\n")}
		update.Changes["a"] = sink.Change{New: quoted("one\n2\nthree\n")}
		record(t, db, sqlsink.New(), insert, update)
		d, err := retrieval.For[Thing](db).Key(1).Diff(t.Context(), start(), start().Add(time.Minute))
		require.NoError(t, err)
		assert.Equal(t, "a:\n--- old\n+++ new\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n", d.String())
	})
}
