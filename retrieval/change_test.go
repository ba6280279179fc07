package retrieval_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

func TestAChangeAsALine(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	user := sink.Actor{ID: "1", Type: "user", Name: "Jane"}
	for want, c := range map[string]retrieval.Change{
		"FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM Jane Doe TO Jane Smith BY user 1": {
			Field: "name", OldJSON: quoted("Jane Doe"), NewJSON: quoted("Jane Smith"), Actor: user},
		"FIELD name SET AT 2026-01-02T03:04:05Z TO Jane BY 1": {
			Field: "name", Op: sink.Insert, NewJSON: quoted("Jane"), Actor: sink.Actor{ID: "1"}},
		"FIELD age REMOVED AT 2026-01-02T03:04:05Z FROM 42 BY unknown":                          {Field: "age", Op: sink.Delete, OldJSON: raw("42")},
		"FIELD deleted_at CHANGED AT 2026-01-02T03:04:05Z FROM NULL TO 2026-01-02 BY Jane":      {Field: "deleted_at", Op: sink.Delete, Soft: true, OldJSON: raw("null"), NewJSON: quoted("2026-01-02"), Actor: sink.Actor{Name: "Jane"}},
		"FIELD email CHANGED AT 2026-01-02T03:04:05Z FROM [redacted] TO [redacted] BY job":      {Field: "email", Mask: sink.Redacted, Actor: sink.Actor{Type: "job"}},
		"FIELD phone CHANGED AT 2026-01-02T03:04:05Z FROM NULL TO [hashed] BY unknown":          {Field: "phone", Mask: sink.Hashed, OldJSON: raw("null"), NewJSON: quoted("hmac-sha256:00")},
		"FIELD phone CHANGED AT 2026-01-02T03:04:05Z FROM [erased] TO [erased] BY unknown":      {Field: "phone", Mask: sink.Erased},
		"FIELD phone SET AT 2026-01-02T03:04:05Z TO [erased] BY unknown":                        {Field: "phone", Op: sink.Insert, Mask: sink.Erased},
		"FIELD phone ERASED AT 2026-01-02T03:04:05Z BY unknown":                                 {Field: "phone", Op: sink.Erase, Mask: sink.Erased},
		"FIELD name RECORDED AT 2026-01-02T03:04:05Z AS Jane BY unknown":                        {Field: "name", Op: sink.Snapshot, NewJSON: quoted("Jane")},
		`FIELD tags CHANGED AT 2026-01-02T03:04:05Z FROM {"a":1} TO ["x"] BY unknown`:           {Field: "tags", OldJSON: raw(`{"a":1}`), NewJSON: raw(`["x"]`)},
		`FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM "" TO "NULL" BY unknown`:               {Field: "name", OldJSON: quoted(""), NewJSON: quoted("NULL")},
		`FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM "a\nFIELD" TO "[redacted]" BY unknown`: {Field: "name", OldJSON: quoted("a\nFIELD"), NewJSON: quoted("[redacted]")},
		"FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM a TO b BY user 1 ON BEHALF OF 7":       {Field: "name", OldJSON: quoted("a"), NewJSON: quoted("b"), Actor: sink.Actor{ID: "1", Type: "user", OnBehalfOf: "7"}},
		`FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM é TO x  y BY "user 1\n"`:               {Field: "name", OldJSON: quoted("é"), NewJSON: quoted("x  y"), Actor: sink.Actor{ID: "1\n", Type: "user"}},
	} {
		c.Time = time.Date(2026, 1, 2, 5, 4, 5, 999, time.FixedZone("", 7200))
		assert.Equal(t, want, c.String())
	}
	assert.NotPanics(t, func() { _ = retrieval.Change{}.String() })
}
