package retrieval

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// Event is one event as it was recorded, with the values of the model M: see
// [Event.Old], [Event.New] and [Event.Fields]. The values in the embedded
// [sink.Event] are JSON.
type Event[M any] struct {
	sink.Event
	model *model.Model
	at    place
}

// Old returns what the event says of the row before the change: the columns
// that changed and the key are set, all other fields are zero. Where there was
// no row before, after an insert, it is the zero M.
//
// Masked columns, and columns that the model no longer has, are left out. A
// value that the model's type can't hold is an error, and [Event.Fields] has it
// as JSON.
func (e Event[M]) Old() (M, error) {
	key := e.Key
	if e.OldKey != nil {
		key = e.OldKey
	}
	return e.image(e.Op == sink.Insert, key, func(c sink.Change) json.RawMessage { return c.Old })
}

// New is like [Event.Old] with the row after the change. Where there is no row
// after, because it was deleted and not only marked as deleted, it is the zero M.
func (e Event[M]) New() (M, error) {
	return e.image(e.Op == sink.Delete && !e.Soft, e.Key, func(c sink.Change) json.RawMessage { return c.New })
}

func (e Event[M]) image(none bool, key sink.Values, side func(sink.Change) json.RawMessage) (M, error) {
	var zero M
	if none {
		return zero, nil
	}
	values := make(sink.Values, len(key)+len(e.Changes))
	for name, raw := range key {
		values[name] = raw
	}
	for name, c := range e.Changes {
		if raw := side(c); raw != nil && c.Mask == sink.Unmasked {
			values[name] = raw
		}
	}
	row, _, err := decodeRow[M](e.model, values)
	if err != nil {
		return zero, fmt.Errorf("retrieval: event %s of %s: %w", e.ID, e.Table, err)
	}
	return row, nil
}

// decodeRow makes a value of the model of columns, by their names of today or
// earlier. With an error comes the column that it is about.
func decodeRow[M any](m *model.Model, values sink.Values) (row M, column string, err error) {
	if m == nil {
		v, _ := any(values).(M) // M is sink.Values
		return v, "", nil
	}
	var zero M
	dest := indirect(reflect.ValueOf(&row).Elem())
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f, ok := m.Field(m.Current(name))
		if !ok {
			continue
		}
		if err := value.Decode(f, values[name], f.Value(dest)); err != nil {
			return zero, name, err
		}
	}
	return row, "", nil
}

// Fields returns the changes of the event field by field, in the order of the
// model, then what the model no longer has in the order of the names.
func (e Event[M]) Fields() []Change { return changes(&e.Event, e.model, nil) }

// changes flattens an event. Where only isn't nil it names the columns to keep.
func changes(e *sink.Event, m *model.Model, only []string) []Change {
	names := make([]string, 0, len(e.Changes))
	for name := range e.Changes {
		if only == nil || slices.Contains(only, name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return compareColumns(m, a, b) })
	out := make([]Change, len(names))
	for i, name := range names {
		out[i] = newChange(e, m, name, e.Changes[name])
	}
	return out
}

func compareColumns(m *model.Model, a, b string) int {
	if x, y := position(m, a), position(m, b); x != y {
		return x - y
	}
	if a < b {
		return -1
	}
	return 1
}

// position is the place of a column in the model, behind all others for a
// column that it doesn't have.
func position(m *model.Model, column string) int {
	if m == nil {
		return 0
	}
	column = m.Current(column)
	for i, f := range m.Bun.Fields {
		if f.Name == column {
			return i
		}
	}
	return len(m.Bun.Fields)
}

// decode returns a value in the Go type of its column, nil for NULL, and the
// JSON itself where no column of the model takes it.
func decode(m *model.Model, column string, raw json.RawMessage) any {
	if raw == nil || string(raw) == "null" {
		return nil
	}
	if m == nil {
		return raw
	}
	f, ok := m.Field(m.Current(column))
	if !ok {
		return raw
	}
	dest := reflect.New(f.StructField.Type).Elem()
	if value.Decode(f, raw, dest) != nil {
		return raw
	}
	return dest.Interface()
}
