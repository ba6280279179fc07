package retrieval_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// Texts are compared as they are: a database may think that neither case nor
// spaces at the end count, and has rules of its own for the names in JSON.
func TestTextsAreComparedExactly(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		names := []string{"x", "x ", "X", "é", "e\u0301", `a"b`, `a\b`, "a.b", "*", "$", "猫", "\u2028", "\n", ""}
		var events []sink.Event
		for _, name := range names {
			events = append(events, sink.Event{
				Table: "exact", Actor: sink.Actor{ID: name}, Reason: name, Meta: map[string]string{name: name},
				Key: sink.Values{"id": quoted(name)}, Changes: map[string]sink.Change{name: {New: quoted(name)}},
			})
		}
		record(t, db, sqlsink.New(), events...)
		type q = *retrieval.Query[sink.Values]
		for i, name := range names {
			for by, query := range map[string]func(q) q{
				"actor":  func(q q) q { return q.By(name) },
				"reason": func(q q) q { return q.Reason(name) },
				"meta":   func(q q) q { return q.Meta(name, name) },
				"field":  func(q q) q { return q.Field(name) },
				"key":    func(q q) q { return q.Key(map[string]any{"id": name}) },
			} {
				found, err := query(retrieval.ForTable(db, "exact")).All(t.Context())
				require.NoError(t, err)
				if assert.Len(t, found, 1, "%s %q", by, name) {
					assert.Equal(t, uuid(i), found[0].ID, "%s %q", by, name)
				}
			}
		}
	})
}

// MariaDB reads JSON to a depth of 32.
func TestFieldsWithDeepValuesAreFound(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		deep := json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100))
		change := func(field string) sink.Event {
			return sink.Event{Table: "deep", Key: key(1), Changes: map[string]sink.Change{field: {New: deep}}}
		}
		record(t, db, sqlsink.New(), change("a"), change("b"))
		found, err := retrieval.ForTable(db, "deep").Field("b").All(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 1)
		assert.Equal(t, uuid(1), found[0].ID)
	})
}
