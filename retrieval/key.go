package retrieval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// Key keeps the history of the row with this key; called again, of further
// rows. The values are those of the key's columns in the order of the model:
//
//	Key(2)          // one column: an integer, a string, a UUID, …
//	Key("acme", 7)  // two columns
//	Key(customer)   // the key that a value of the model has
//	Key(map[string]any{"tenant": "acme", "id": 7})
//
// The last form is the only one for a query of [ForTable]. A value that the
// key's column can't have is a [*KeyError].
//
// The row's history under other keys, before its key was changed or after, is
// part of the result. What concerns every row of the table, a truncation or an
// opaque statement, is not: [Query.Versions] has a row's end by it, too.
func (q *Query[M]) Key(values ...any) *Query[M] {
	q.keyed = true
	if q.err != nil {
		return q
	}
	forms, err := q.key(values)
	if err != nil {
		q.fail(&KeyError{Name: q.name, Columns: q.keyColumns(), Err: err})
		return q
	}
	q.keys, q.forms = append(q.keys, forms[0]), append(q.forms, forms)
	return q
}

// Keys keeps the history of several rows. Each key is given as to [Query.Key];
// one of several columns as []any. Without any key nothing is left.
func (q *Query[M]) Keys(keys ...any) *Query[M] {
	q.keyed = true
	for _, key := range keys {
		if values, ok := key.([]any); ok {
			q.Key(values...)
		} else {
			q.Key(key)
		}
	}
	return q
}

func (q *query) keyColumns() []string {
	if q.model == nil {
		return nil
	}
	names := make([]string, len(q.model.Key))
	for i, f := range q.model.Key {
		names[i] = f.Name
	}
	return names
}

// settle finds out in which of its forms events have each key, where there are
// several: see [value.Forms].
func (q *query) settle(ctx context.Context) error {
	var stored []string
	for _, forms := range q.forms {
		if len(forms) > 1 {
			stored = append(stored, q.allVariants(forms)...)
		}
	}
	if stored == nil {
		return nil
	}
	known := map[string]bool{}
	for _, column := range []keyColumn{isKey, wasKey} {
		if err := q.mentioned(ctx, column, stored, known); err != nil {
			return err
		}
	}
	for i, forms := range q.forms {
		q.keys[i] = forms[max(slices.IndexFunc(forms, func(text string) bool { return known[text] }), 0)]
	}
	return nil
}

// key returns the canonical text of a key, and those in the other forms that events
// may have it in.
func (q *query) key(values []any) ([]string, error) {
	named, isNamed := namedKey(values)
	var keys []sink.Values
	var err error
	switch {
	case q.table == "":
		return nil, errors.New("a key is that of a row of one table: ask for it by For or ForTable")
	case isNamed && q.model == nil:
		keys, err = untypedKey(named)
	case q.model == nil:
		return nil, errors.New(`name the columns, as in Key(map[string]any{"id": 2})`)
	case isNamed:
		keys, err = q.typedKey(named)
	default:
		keys, err = q.positionalKey(values)
	}
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(keys))
	for i, key := range keys {
		text, err := eventrow.Canonical(key)
		if err == nil && text == nil {
			err = errors.New("it is empty")
		}
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
	}
	return texts, nil
}

func namedKey(values []any) (map[string]any, bool) {
	if len(values) != 1 {
		return nil, false
	}
	switch v := values[0].(type) {
	case map[string]any:
		return v, true
	case sink.Values:
		named := make(map[string]any, len(v))
		for name, raw := range v {
			named[name] = raw
		}
		return named, true
	}
	return nil, false
}

func (q *query) positionalKey(values []any) ([]sink.Values, error) {
	if len(values) == 1 {
		if row, ok := q.modelValue(values[0]); ok {
			values = make([]any, len(q.model.Key))
			for i, f := range q.model.Key {
				values[i] = f.Value(row).Interface()
			}
		}
	}
	if len(values) != len(q.model.Key) {
		want := "one value"
		if n := len(q.model.Key); n > 1 {
			want = fmt.Sprintf("%d values, one for each column in this order", n)
		}
		return nil, fmt.Errorf("give %s, not %d", want, len(values))
	}
	named := make(map[string]any, len(values))
	for i, f := range q.model.Key {
		named[f.Name] = values[i]
	}
	return q.typedKey(named)
}

// modelValue recognizes a value of the model, or a pointer to one. The result
// is a copy, because Bun allocates embedded pointers on the way to a field.
func (q *query) modelValue(v any) (reflect.Value, bool) {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if !rv.IsValid() || rv.Type() != q.model.Bun.Type {
		return reflect.Value{}, false
	}
	row := reflect.New(rv.Type()).Elem()
	row.Set(rv)
	return row, true
}

func (q *query) typedKey(named map[string]any) ([]sink.Values, error) {
	keys := []sink.Values{{}}
	for _, f := range q.model.Key {
		v, ok := named[f.Name]
		if !ok {
			return nil, fmt.Errorf("it lacks %s", f.Name)
		}
		if raw, isJSON := v.(json.RawMessage); isJSON {
			text, ok := value.AppendJSON(nil, raw)
			if !ok || value.Decode(f, text, reflect.New(f.StructField.Type).Elem()) != nil {
				return nil, fmt.Errorf("the JSON of %s is not a valid %s", f.Name, f.StructField.Type)
			}
			keys = withColumn(keys, f.Name, []json.RawMessage{text})
			continue
		}
		forms, err := value.Forms(f, v)
		if err != nil {
			return nil, err
		}
		keys = withColumn(keys, f.Name, forms)
	}
	if len(named) != len(q.model.Key) {
		return nil, errors.New("it has columns that are not part of the key")
	}
	return keys, nil
}

func untypedKey(named map[string]any) ([]sink.Values, error) {
	keys := []sink.Values{{}}
	for name, v := range named {
		forms, err := value.FormsOfAny(v)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		keys = withColumn(keys, name, forms)
	}
	return keys, nil
}

// withColumn adds a column to keys, in each of its forms, the likeliest first.
func withColumn(keys []sink.Values, name string, forms []json.RawMessage) []sink.Values {
	var longer []sink.Values
	for _, raw := range forms {
		for _, key := range keys {
			key = maps.Clone(key)
			key[name] = raw
			longer = append(longer, key)
		}
	}
	return longer
}

// allVariants are the texts under which these keys may be stored, see variants.
func (q *query) allVariants(keys []string) []string {
	if q.model == nil || q.model.Was == nil {
		return keys
	}
	var stored []string
	for _, key := range keys {
		stored = append(stored, q.variants(key)...)
	}
	return stored
}
