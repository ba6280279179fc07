package cli

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// key is what the flags --key say. Without any there are no values.
type key struct {
	values sink.Values
	// loose values may be texts that look like other JSON, as in sku=4711.
	loose bool
}

// parseKey reads the flags.
func parseKey(flags []string) (key, error) {
	if len(flags) == 0 {
		return key{}, nil
	}
	k := key{values: sink.Values{}}
	if len(flags) == 1 && strings.HasPrefix(flags[0], "{") {
		if err := json.Unmarshal([]byte(flags[0]), &k.values); err != nil || len(k.values) == 0 {
			return key{}, Usage(`--key: not an object of JSON such as {"id": 2}`)
		}
		return k, nil
	}
	k.loose = true
	for _, flag := range flags {
		column, v, ok := strings.Cut(flag, "=")
		if _, again := k.values[column]; !ok || column == "" || again {
			return key{}, Usage("--key: write column=value, once for each column of the key: %s", flag)
		}
		raw := json.RawMessage(v)
		if !json.Valid(raw) {
			raw = quoted(v)
		}
		k.values[column] = raw
	}
	return k, nil
}

func quoted(s string) json.RawMessage {
	raw, _ := json.Marshal(s) // a string always is JSON
	return raw
}

// like takes values for texts that are texts in another key.
func (k key) like(other sink.Values) key {
	return k.where(func(column string, raw json.RawMessage) bool {
		return len(other[column]) > 0 && other[column][0] == '"' && raw[0] != '"'
	})
}

// of takes values for texts that are texts in a model.
func (k key) of(m *model.Model) key {
	return k.where(func(column string, raw json.RawMessage) bool {
		i := slices.IndexFunc(m.Key, func(f *schema.Field) bool { return f.Name == column })
		return i >= 0 && value.KindOf(m.Key[i]) == value.KindText && raw[0] != '"'
	})
}

// where takes those values for texts.
func (k key) where(isText func(column string, raw json.RawMessage) bool) key {
	if !k.loose {
		return k
	}
	k.values = maps.Clone(k.values)
	for column, raw := range k.values {
		if isText(column, raw) {
			k.values[column] = quoted(string(raw))
		}
	}
	return k
}
