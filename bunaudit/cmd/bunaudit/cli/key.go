package cli

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/retrieval"
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

// someKey is the key of some event of a table, or nil.
func (c *command) someKey(ctx context.Context, db *bun.DB, table string) (sink.Values, error) {
	events, err := retrieval.ForTable(db, table).From(c.events).InSchema(c.schema).NewestFirst().Limit(1).All(ctx)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return events[0].Key, nil
}

// answer opens the database, answers the question by do, which returns how much it
// has found, and tells people where that is nothing: none, if nothing better.
func (c *command) answer(ctx context.Context, q *question, none string, do func(db *bun.DB) (found int, err error)) error {
	return c.with(ctx, func(db *bun.DB) error {
		var like sink.Values
		if q.key.values != nil {
			var err error
			if like, err = c.someKey(ctx, db, q.table); err != nil {
				return err
			}
			q.key = q.key.like(like)
		}
		n, err := do(db)
		if n > 0 || err != nil && !errors.Is(err, errNoRow) {
			return err
		}
		return errors.Join(err, c.hint(ctx, db, q, like, none))
	})
}
