package retrieval

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// Row is a row as it was at some moment, as far as history tells.
type Row[M any] struct {
	// Key and Values are the row's columns as JSON: the key, and the tracked
	// columns whose values are known, without the key. A column that the model
	// no longer has is among them.
	Key    sink.Values
	Values sink.Values

	// Masked are the columns that the row had, but whose values are not on
	// record, by how they were kept out of it.
	Masked map[string]sink.Mask

	// Unknown are the tracked columns of the model that history doesn't tell:
	// such as were not tracked, or not there, when the row was last on record as
	// a whole. In the order of the model; nil without a model.
	Unknown []string

	// Deleted is true where the row is no more, or, in a result of
	// [Query.Versions], has been deleted by Event. SoftDeleted is true where it
	// was only marked as deleted.
	Deleted     bool
	SoftDeleted bool

	// Event is the event that made the row what it was.
	Event Event[M]

	// Incomplete is nil where history knows the row as a whole. Else Values has
	// what is known.
	Incomplete *IncompleteError

	model *model.Model
	by    map[string]string // the event that set a column, or a hash where there is one
}

func newRow[M any](q *query, s *state) Row[M] {
	r := Row[M]{
		Key: s.key, Values: sink.Values{}, Deleted: s.presence == gone, SoftDeleted: s.soft,
		model: q.model, by: make(map[string]string, len(s.columns)),
	}
	if s.last != nil {
		r.Event = Event[M]{Event: s.last.Event, model: q.model, at: q.placeAfter(s.last)}
	}
	if s.gap != nil {
		r.Incomplete = &IncompleteError{Name: q.name, Event: s.gap.Event}
	}
	for name, k := range s.columns {
		r.by[name] = k.by
		if k.mask == sink.Unmasked {
			r.Values[name] = k.raw
			continue
		}
		if r.Masked == nil {
			r.Masked = map[string]sink.Mask{}
		}
		r.Masked[name] = k.mask
		if k.raw != nil {
			r.by[name] = string(k.raw)
		}
	}
	if q.model != nil && !r.Deleted {
		for _, c := range q.model.Columns {
			if _, ok := s.columns[c.Field.Name]; !ok {
				r.Unknown = append(r.Unknown, c.Field.Name)
			}
		}
	}
	return r
}

// Model returns the row as a value of the model. Columns that are masked,
// unknown or not tracked are zero. A value that the model's type can't hold is
// an error, and [Row.Values] has it as JSON. Without a model, from
// [ForTable], it returns key and values together.
func (r Row[M]) Model() (M, error) {
	values := make(sink.Values, len(r.Key)+len(r.Values))
	maps.Copy(values, r.Values)
	maps.Copy(values, r.Key)
	row, column, err := decodeRow[M](r.model, values)
	if err != nil {
		event := cmp.Or(r.by[column], r.Event.ID)
		return row, fmt.Errorf("retrieval: read row: event %s of %s: %w", event, r.Event.Table, err)
	}
	return row, nil
}

// known reports whether history tells the column, masked or not.
func (r Row[M]) known(column string) bool {
	if _, ok := r.Values[column]; ok {
		return true
	}
	if _, ok := r.Key[column]; ok {
		return true
	}
	_, ok := r.Masked[column]
	return ok
}

// columns are those that history tells of r or other, in the order of a model.
func (r Row[M]) columns(other Row[M], m *model.Model) []string {
	all := map[string]bool{}
	for _, row := range []Row[M]{r, other} {
		for name := range row.Key {
			all[name] = true
		}
		for name := range row.Values {
			all[name] = true
		}
		for name := range row.Masked {
			all[name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int { return compareColumns(m, a, b) })
}

// indirect is the struct behind a pointer to a pointer …, which it allocates.
func indirect(dest reflect.Value) reflect.Value {
	for dest.Kind() == reflect.Pointer {
		dest.Set(reflect.New(dest.Type().Elem()))
		dest = dest.Elem()
	}
	return dest
}
