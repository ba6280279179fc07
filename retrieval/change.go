package retrieval

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// Change is one change of one field, with what its event says about it.
type Change struct {
	// Field is the name of the column: the one that it has today, where the
	// model says audit_was.
	Field string

	// Old and New are the values before and after the change, as a SELECT with
	// Bun gives them: in the Go type of the model's field. See the functions Old
	// and New for access by type.
	//
	// They are nil for SQL's NULL, where there was no row (Old of an insert, New
	// of a delete) and where the field is masked. They are json.RawMessage where
	// there is no model, or none that has the column, or where the value doesn't
	// fit the type that the field has today.
	Old, New any

	// OldJSON and NewJSON are the values as they were recorded: nil where there
	// was no row or the values were redacted, the text null for NULL.
	OldJSON, NewJSON json.RawMessage

	// Mask says whether the values were kept out of the record.
	Mask sink.Mask

	// Of the event: see [sink.Event].
	EventID string
	Time    time.Time
	Op      sink.Op
	Soft    bool
	Table   string
	Model   string
	Key     sink.Values
	OldKey  sink.Values
	Actor   sink.Actor
	Reason  string
	Meta    map[string]string
	Tx      string
}

func newChange(e *sink.Event, m *model.Model, column string, c sink.Change) Change {
	change := Change{
		Field: column, OldJSON: c.Old, NewJSON: c.New, Mask: c.Mask,
		EventID: e.ID, Time: e.Time, Op: e.Op, Soft: e.Soft, Table: e.Table, Model: e.Model, Key: e.Key, OldKey: e.OldKey,
		Actor: e.Actor, Reason: e.Reason, Meta: e.Meta, Tx: e.Tx,
	}
	if c.Mask == sink.Unmasked {
		change.Old, change.New = decode(m, column, c.Old), decode(m, column, c.New)
	}
	if m != nil {
		change.Field = m.Current(column)
	}
	return change
}

// Old returns the value before the change as a T: the type of the model's field.
// NULL is the zero T. It is false where there is no such value: the field is
// masked, there was no row, or the value is of another type.
func Old[T any](c Change) (T, bool) { return as[T](c.Old, c.OldJSON, c.Mask) }

// New is like [Old] with the value after the change.
func New[T any](c Change) (T, bool) { return as[T](c.New, c.NewJSON, c.Mask) }

func as[T any](v any, raw json.RawMessage, mask sink.Mask) (T, bool) {
	if t, ok := v.(T); ok {
		return t, true
	}
	var zero T
	return zero, v == nil && string(raw) == "null" && mask == sink.Unmasked
}

// String returns a line for people to read:
//
//	FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM Jane Doe TO Jane Smith BY user 1
//
// A row's first values are SET with TO alone, its last ones REMOVED with FROM
// alone. What Baseline has put on record is RECORDED AS it was found, and what
// Erase has taken from it is ERASED, with no values. NULL is NULL, a value that
// was redacted, hashed or erased is [redacted], [hashed] or [erased], nobody is
// unknown. A text that would not be one plain word or phrase, because it is empty,
// has line breaks or looks like one of these, is quoted.
func (c Change) String() string {
	var b strings.Builder
	b.WriteString("FIELD " + phrase(c.Field))
	verb, from, to := " CHANGED", " FROM ", " TO "
	switch {
	case c.Op == sink.Insert:
		verb, from = " SET", ""
	case c.Op == sink.Delete && !c.Soft:
		verb, to = " REMOVED", ""
	case c.Op == sink.Snapshot:
		verb, from, to = " RECORDED", "", " AS "
	case c.Op == sink.Erase:
		verb, from, to = " ERASED", "", ""
	}
	b.WriteString(verb + " AT " + c.Time.UTC().Format(time.RFC3339))
	if from != "" {
		b.WriteString(from + text(c.OldJSON, c.Mask))
	}
	if to != "" {
		b.WriteString(to + text(c.NewJSON, c.Mask))
	}
	b.WriteString(" BY " + actor(c.Actor))
	return b.String()
}

func actor(a sink.Actor) string {
	who := a.ID
	if who == "" {
		who = a.Name
	}
	if a.Type != "" && who != "" {
		who = a.Type + " " + who
	}
	switch {
	case who == "" && a.Type == "":
		who = "unknown"
	case who == "":
		who = a.Type
	}
	who = phrase(who)
	if a.OnBehalfOf != "" {
		who += " ON BEHALF OF " + phrase(a.OnBehalfOf)
	}
	return who
}

func text(raw json.RawMessage, mask sink.Mask) string {
	switch {
	case string(raw) == "null":
		return "NULL"
	case mask == sink.Redacted:
		return "[redacted]"
	case mask == sink.Hashed:
		return "[hashed]"
	case mask == sink.Erased:
		return "[erased]"
	}
	var s string
	if bytes.HasPrefix(raw, []byte(`"`)) && json.Unmarshal(raw, &s) == nil {
		return phrase(s)
	}
	if raw == nil {
		return "NULL"
	}
	return string(raw)
}

// phrase returns s, quoted where it could be mistaken for something else or
// would break the line.
func phrase(s string) string {
	plain := s != "" && s != "NULL" && strings.TrimSpace(s) == s && s[0] != '"' && s[0] != '['
	for _, r := range s {
		plain = plain && unicode.IsPrint(r)
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}
