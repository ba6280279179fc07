package retrieval_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// life makes the events of one row: i(nsert), u(pdate), d(elete), s(oft delete).
func life(op byte, id int) sink.Event {
	e := renamed(id, "a", "b")
	switch op {
	case 'i':
		e.Op = sink.Insert
	case 'd':
		e.Op = sink.Delete
	case 's':
		e.Op, e.Soft = sink.Delete, true
	}
	return e
}

func moved(from, to int) sink.Event {
	return sink.Event{Key: key(to), OldKey: key(from), Changes: map[string]sink.Change{"id": {Old: key(from)["id"], New: key(to)["id"]}}}
}

// together makes events those of one statement, in the order in which they are given.
func together(events ...sink.Event) []sink.Event {
	for i := range events {
		events[i].Tx, events[i].Time = uuid(999), start().Add(time.Hour)
	}
	return events
}

func TestHistoryFollowsAChangedKey(t *testing.T) {
	for name, tt := range map[string]struct {
		events []sink.Event
		want   map[int]string // by the key that is asked for
	}{
		"no change of a key": {
			[]sink.Event{life('i', 1), life('i', 2), life('u', 1)},
			map[int]string{1: "02", 2: "1"},
		},
		"one change": {
			[]sink.Event{life('i', 1), life('u', 1), moved(1, 2), life('u', 2)},
			map[int]string{1: "0123", 2: "0123", 3: ""},
		},
		"a chain": {
			[]sink.Event{life('i', 1), moved(1, 2), life('u', 2), moved(2, 3), life('u', 3), life('d', 3)},
			map[int]string{1: "012345", 2: "012345", 3: "012345"},
		},
		"the old key is used again by another row": {
			[]sink.Event{life('i', 1), moved(1, 2), life('i', 1), life('u', 1), life('u', 2)},
			map[int]string{1: "01234", 2: "014"},
		},
		"the old key was used by another row before": {
			[]sink.Event{life('i', 1), life('d', 1), life('i', 1), moved(1, 2)},
			map[int]string{1: "0123", 2: "23"},
		},
		"the new key was used by another row before and is after": {
			[]sink.Event{life('i', 2), life('d', 2), life('i', 1), moved(1, 2), life('u', 2), life('d', 2), life('i', 2)},
			map[int]string{1: "2345", 2: "0123456"},
		},
		"a soft delete ends no life": {
			[]sink.Event{life('i', 1), life('s', 1), moved(1, 2), life('s', 2), life('u', 2)},
			map[int]string{1: "01234", 2: "01234"},
		},
		"there and back": {
			[]sink.Event{life('i', 1), moved(1, 2), life('u', 2), moved(2, 1), life('u', 1)},
			map[int]string{1: "01234", 2: "01234"},
		},
		"two rows swap their keys by way of a third": {
			[]sink.Event{life('i', 1), life('i', 2), moved(1, 3), moved(2, 1), moved(3, 2), life('u', 1), life('u', 2)},
			map[int]string{3: "0246"},
		},
		"two rows swap their keys in one statement": {
			slices.Concat([]sink.Event{life('i', 1), life('i', 2), life('u', 1), life('u', 2)}, together(moved(1, 2), moved(2, 1)),
				[]sink.Event{moved(1, 7), moved(2, 8)}),
			map[int]string{7: "1356", 8: "0247"},
		},
		"three go round in one statement": {
			slices.Concat([]sink.Event{life('i', 1), life('i', 2), life('i', 3)}, together(moved(1, 2), moved(2, 3), moved(3, 1)),
				[]sink.Event{moved(1, 7), moved(2, 8), moved(3, 9)}),
			map[int]string{7: "256", 8: "037", 9: "148"},
		},
		"a row gets the key of one that the statement deletes": {
			slices.Concat([]sink.Event{life('i', 1), life('i', 2)}, together(moved(1, 2), life('d', 2)), []sink.Event{life('u', 2), moved(2, 7)}),
			map[int]string{1: "0245", 7: "0245", 2: "012345"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			testdb.Run(t, func(t *testing.T, db *testdb.DB) {
				record(t, db, sqlsink.New(), tt.events...)
				for id, want := range tt.want {
					assert.Equal(t, want, ids(t, retrieval.For[Customer](db).Key(id)), "key %d", id)
				}
			})
		})
	}
}

func TestAChangedKeyIsAChangeOfAField(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		record(t, db, sqlsink.New(), life('i', 1), moved(1, 2))
		changes, err := retrieval.Collect(retrieval.For[Customer](db).Key(2).Field("ID").Changes(t.Context()))
		require.NoError(t, err)
		require.Len(t, changes, 1)
		assert.Equal(t, int64(1), changes[0].Old)
		assert.Equal(t, int64(2), changes[0].New)
		events, err := retrieval.For[Customer](db).Key(2).Field("ID").All(t.Context())
		require.NoError(t, err)
		was, err := events[0].Old()
		require.NoError(t, err)
		assert.Equal(t, int64(1), was.ID)
		is, err := events[0].New()
		require.NoError(t, err)
		assert.Equal(t, int64(2), is.ID)
	})
}
