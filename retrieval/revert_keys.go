package retrieval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

// makeWay gives temporary keys to rows of which each has a key that another one
// has to get back before it: by an update, and not by deleting and inserting them
// again, which what refers to them by a foreign key would not survive. All keys
// are chosen before the first row is changed.
func (r *reverter) makeWay(ctx context.Context, db bun.IDB, circular, undos []*undo) error {
	if len(circular) == 0 {
		return nil
	}
	taken := map[string]bool{}
	for _, u := range undos {
		taken[u.at], taken[u.to] = true, true
	}
	ways := make([]sink.Values, len(circular))
	for i, u := range circular {
		way, err := r.temporaryKey(ctx, db, u, taken)
		if err != nil {
			return fmt.Errorf("rows of %s have exchanged their keys, and one of them needs a temporary key: %w", u.table, err)
		}
		ways[i] = way
	}
	for i, u := range circular {
		w := writer{db: db, model: r.tables[u.table].Model, undo: u, dry: r.DryRun}
		_, err := r.recorded(ctx, w, ways[i], func() (bool, error) { return true, w.move(ctx, u.key, ways[i]) })
		switch {
		case errors.Is(err, ErrUnrecorded):
			return err
		case err != nil:
			return fmt.Errorf("rows of %s have exchanged their keys, and one of them was to get a temporary key, "+
				"without which you have to give them their keys and values back by statements of your own: %w", u.table, err)
		}
		u.key = ways[i]
	}
	return nil
}

// temporaryKey finds a key for a row that no row has, nor any event: or the history
// of that key would be the row's, too. It differs from the row's own in a column
// that gets another value anyway.
func (r *reverter) temporaryKey(ctx context.Context, db bun.IDB, u *undo, taken map[string]bool) (sink.Values, error) {
	table := r.tables[u.table]
	for _, f := range table.Model.Key {
		if string(u.key[f.Name]) == string(u.target[f.Name]) {
			continue
		}
		var keys []sink.Values
		for _, raw := range temporaries(f, u.key[f.Name]) {
			if table.Unsigned[f.Name] && raw[0] == '-' {
				continue
			}
			key := maps.Clone(u.key)
			key[f.Name] = raw
			keys = append(keys, key)
		}
		free, err := r.free(ctx, db, table, keys)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			text, err := canonicalKey(key)
			if err != nil {
				return nil, err
			}
			if at := inTable(u.table, text); free[text] && !taken[at] {
				taken[at] = true
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("there is none that could be told from the type of %s: give the rows their keys and values back by statements of your own",
		strings.Join((&query{model: table.Model}).keyColumns(), ", "))
}

// free says which of the keys no row has and no event.
func (r *reverter) free(ctx context.Context, db bun.IDB, table *live.Table, keys []sink.Values) (map[string]bool, error) {
	q := query{db: db, events: r.events, table: table.Model.Table, model: table.Model}
	free := map[string]bool{}
	var texts []string
	for _, key := range keys {
		text, err := canonicalKey(key)
		if err != nil {
			return nil, err
		}
		free[text] = true
		texts = append(texts, text)
	}
	rows, err := table.ByKeys(ctx, db, keys, "")
	if err != nil {
		return nil, err
	}
	for i := range rows {
		free[rows[i].CanonicalKey()] = false
	}
	known, err := q.heardOf(ctx, q.allVariants(texts), 0)
	for key := range known {
		free[key] = false
	}
	return free, err
}

// temporaries are values that a column may have for a while, the better ones
// first: no number that the database may be about to give to a new row, nor one
// that would have it go on counting from there.
func temporaries(f *schema.Field, raw json.RawMessage) []json.RawMessage {
	var texts []string
	var text string
	switch kind := value.KindOf(f); {
	case kind == value.KindInt:
		texts = temporaryNumbers(string(raw))
	case kind != value.KindText || json.Unmarshal(raw, &text) != nil:
	case eventrow.IsUUID(strings.ToLower(text)):
		texts = []string{strconv.Quote(uuid.NewString())}
	case f.IndirectType.Kind() == reflect.String:
		for range 16 {
			texts = append(texts, string(value.AppendString(nil, strings.Map(another, text))))
		}
	}
	var fit []json.RawMessage
	for _, t := range texts {
		if _, err := value.Arg(f, json.RawMessage(t)); err == nil {
			fit = append(fit, json.RawMessage(t))
		}
	}
	return fit
}

// temporaryNumbers are negative ones, and for a column that has none what is below
// the number.
func temporaryNumbers(is string) []string {
	var texts []string
	add := func(n int64) { texts = append(texts, strconv.FormatInt(n, 10)) }
	for n := range int64(16) {
		add(-1 - n)
	}
	for range 16 {
		add(-17 - rand.Int64N(1<<15-17))
		add(-1<<15 - rand.Int64N(1<<31-1<<15))
	}
	add(0)
	if n, err := strconv.ParseInt(is, 10, 64); err == nil && n > 1 {
		for range 16 {
			add(rand.Int64N(n))
		}
	}
	return texts
}

// another is another letter of the same case, or another digit.
func another(r rune) rune {
	switch {
	case '0' <= r && r <= '9':
		return '0' + rand.Int32N(10)
	case 'a' <= r && r <= 'z':
		return 'a' + rand.Int32N(26)
	case 'A' <= r && r <= 'Z':
		return 'A' + rand.Int32N(26)
	}
	return r
}
