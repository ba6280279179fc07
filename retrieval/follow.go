package retrieval

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// span is a time in the history of a key, by the numbers of the events, both
// included.
type span struct {
	key      string
	from, to int64
}

func (s span) whole() bool { return s.from == 0 && s.to == math.MaxInt64 }

// spans says under which keys, and when, the rows that were asked for have
// lived: the whole history of the keys themselves, and from each change of a key
// on, forwards and backwards, the life of the same row under its other key. Rows
// that had such a key before or after are others.
func (q *query) spans(ctx context.Context) ([]span, error) {
	if !q.keyed || len(q.keys) == 0 {
		return nil, nil
	}
	spans := wholeSpans(q.keys)
	moves, err := q.moves(ctx, spans)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]bool, len(q.keys))
	for _, key := range q.keys {
		asked[key] = true
	}
	follow := followed{query: q, spans: spans, back: map[int64]bool{}, on: map[int64]bool{}}
	for _, m := range moves {
		if asked[m.newKey] {
			if err := follow.backwards(ctx, m); err != nil {
				return nil, err
			}
		}
		if asked[m.oldKey] {
			if err := follow.forwards(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	// A row that went back and forth has come by the same spans from both sides.
	seen := map[span]bool{}
	return slices.DeleteFunc(follow.spans, func(s span) bool {
		again := seen[s] || asked[s.key] && !s.whole()
		seen[s] = true
		return again
	}), nil
}

// wholeSpans are the whole histories of keys.
func wholeSpans(keys []string) []span {
	spans := make([]span, len(keys))
	for i, key := range keys {
		spans[i] = span{key: key, to: math.MaxInt64}
	}
	return spans
}

// move is an event that changed a key.
type move struct {
	seq            int64
	oldKey, newKey string
}

// moves reads the changes to or from the keys.
func (q *query) moves(ctx context.Context, spans []span) ([]move, error) {
	var rows []eventrow.Row
	one := q.bare(q.keys...)
	moved := func(sel *bun.SelectQuery) *bun.SelectQuery {
		return sel.Where("e.old_key IS NOT NULL").OrderExpr("e.seq")
	}
	var sel *bun.SelectQuery
	if q.dialect() == dialect.PG { // which plans OR faster, and there are few that it has to sort
		sel = moved(one.whereRanges(one.conditions(one.from(&rows)), one.ranges(spans)))
	} else {
		sel = one.findBy([]keyColumn{becameKey, wasKey}, &rows, spans, moved)
	}
	if err := sel.Column("seq", "key", "old_key").Scan(ctx); err != nil {
		return nil, fmt.Errorf("retrieval: read changes of keys: %w", q.explain(err))
	}
	moves := make([]move, len(rows))
	for i, r := range rows {
		// Stored keys are compared with stored keys, in one canonical text.
		event, err := r.ToEvent()
		if err != nil {
			return nil, fmt.Errorf("retrieval: %w", err)
		}
		oldKey, err := canonicalKey(currentKey(q.model, event.OldKey))
		if err != nil {
			return nil, err
		}
		newKey, err := canonicalKey(currentKey(q.model, event.Key))
		if err != nil {
			return nil, err
		}
		moves[i] = move{seq: r.Seq, oldKey: oldKey, newKey: newKey}
	}
	return moves, nil
}

func canonicalKey(key sink.Values) (string, error) {
	text, err := eventrow.Canonical(key)
	if err != nil {
		return "", fmt.Errorf("retrieval: read key: %w", err)
	}
	return string(text), nil
}

// followed is how far rows have been followed from their changes of keys. From
// each change they are followed once in each direction, however often rows have met
// under the keys that were asked for.
type followed struct {
	query    *query
	spans    []span
	back, on map[int64]bool // by the number of the event
}

// backwards adds the life of the row under its old key before m, and from there
// on back.
func (f *followed) backwards(ctx context.Context, m move) error {
	for !f.back[m.seq] {
		f.back[m.seq] = true
		end, err := f.query.died(ctx, span{key: m.oldKey, to: m.seq - 1}, true)
		if err != nil {
			return err
		}
		s := span{key: m.oldKey, from: max(end+1, 1), to: m.seq - 1}
		f.spans = append(f.spans, s)
		moves, err := f.query.moves(ctx, []span{s})
		if err != nil || len(moves) == 0 {
			return err
		}
		m = moves[0] // there can be only one, the move to this key
	}
	return nil
}

// forwards adds the life of the row under its new key after m, and from there
// on.
func (f *followed) forwards(ctx context.Context, m move) error {
	for !f.on[m.seq] {
		f.on[m.seq] = true
		end, err := f.query.died(ctx, span{key: m.newKey, from: m.seq + 1, to: math.MaxInt64}, false)
		if err != nil {
			return err
		}
		s := span{key: m.newKey, from: m.seq + 1, to: end}
		if end == 0 {
			s.to = math.MaxInt64 - 1
		}
		f.spans = append(f.spans, s)
		moves, err := f.query.moves(ctx, []span{s})
		if err != nil || len(moves) == 0 {
			return err
		}
		m = moves[len(moves)-1] // the move from this key
	}
	return nil
}

// died returns the number of the first event of a span, or the last, that ended the
// life of a row under its key: the row was deleted, or got another key. 0: none did.
func (q *query) died(ctx context.Context, s span, last bool) (int64, error) {
	order := "e.seq"
	if last {
		order = "e.seq DESC"
	}
	seq, err := q.seqOf(ctx, q.bare(s.key).find(nil, []span{s}, func(sel *bun.SelectQuery) *bun.SelectQuery {
		return sel.Where("(e.op = ? AND NOT e.soft OR e.old_key IN (?))", string(sink.Delete), q.stored(s.key)).OrderExpr(order).Limit(1)
	}))
	if err != nil {
		return 0, fmt.Errorf("retrieval: read changes of keys: %w", err)
	}
	return seq, nil
}

// stored are the texts under which a key may be stored, for IN.
func (q *query) stored(key string) any { return bun.In(q.variants(key)) }

// variants are the texts under which a key may be stored: one, unless a column
// of it had other names. The first has the names of today.
func (q *query) variants(key string) []string {
	if q.model == nil || q.model.Was == nil {
		return []string{key}
	}
	var named sink.Values
	if json.Unmarshal([]byte(key), &named) != nil {
		return []string{key}
	}
	all := []sink.Values{{}}
	for _, column := range slices.Sorted(maps.Keys(named)) {
		raw := named[column]
		var longer []sink.Values
		for _, name := range q.model.Names(column) {
			for _, v := range all {
				v = maps.Clone(v)
				v[name] = raw
				longer = append(longer, v)
			}
		}
		all = longer
	}
	texts := make([]string, 0, len(all))
	for _, v := range all {
		if text, err := eventrow.Canonical(v); err == nil {
			texts = append(texts, string(text))
		}
	}
	return texts
}
