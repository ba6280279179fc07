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
	"github.com/sqlaudit/bun/internal/model"
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
	follow := followed{from: q, spans: spans, back: map[int64]bool{}, on: map[int64]bool{}}
	for _, m := range moves {
		if asked[m.is] {
			if err := follow.backwards(ctx, m); err != nil {
				return nil, err
			}
		}
		if asked[m.was] {
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

// turn is an event after which a key is no longer the same row's: a row got it or
// left it by a change of its key, or was deleted.
type turn struct {
	seq       int64
	statement statement
	was, is   string // the keys of the row before and after; is is empty for one that was deleted
}

// moves reads the changes to or from the keys.
func (q *query) moves(ctx context.Context, spans []span) ([]turn, error) {
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
	return q.readTurns(ctx, sel, &rows)
}

// readTurns runs a statement that selects into rows.
func (q *query) readTurns(ctx context.Context, sel *bun.SelectQuery, rows *[]eventrow.Row) ([]turn, error) {
	if err := sel.Column("seq", "time", "tx", "op", "soft", "key", "old_key").Scan(ctx); err != nil {
		return nil, fmt.Errorf("retrieval: read changes of keys: %w", q.explain(err))
	}
	events, err := toEvents(*rows)
	if err != nil {
		return nil, err
	}
	turns := make([]turn, len(events))
	for i := range events {
		if turns[i], err = turnOf(q.model, &events[i]); err != nil {
			return nil, err
		}
	}
	return turns, nil
}

// turnOf is the turn of an event that is one. Stored keys are compared with stored
// keys, in one canonical text.
func turnOf(m *model.Model, e *found) (turn, error) {
	was, is, err := keysOf(m, e)
	if e.Op == sink.Delete && !e.Soft {
		is = ""
	}
	return turn{seq: e.seq, statement: statementOf(&e.Event), was: was, is: is}, err
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
	from     chronicle
	spans    []span
	back, on map[int64]bool // by the number of the event
}

// life returns the spans of the row that had a key when the event with a number was
// written, up to that event. With them comes what ended the life of the row before it
// under this key.
func life(ctx context.Context, from chronicle, key string, last int64) ([]span, error) {
	turns, err := from.turns(ctx, span{key: key, to: last}, true)
	if err != nil {
		return nil, err
	}
	begin := int64(1)
	got, left := exchange(turns, key)
	switch {
	case got != nil && left != nil:
		begin = min(got.seq, left.seq)
	case got != nil:
		begin = got.seq
	case left != nil:
		begin = left.seq
	}
	follow := followed{from: from, back: map[int64]bool{}}
	follow.add(key, begin, last)
	if got != nil {
		err = follow.backwards(ctx, *got)
	}
	return follow.spans, err
}

// backwards adds the life of the row under its old key before it got another one by
// t, and from there on back.
func (f *followed) backwards(ctx context.Context, t turn) error {
	for !f.back[t.seq] {
		f.back[t.seq] = true
		from, to := int64(1), t.seq-1
		turns, err := f.from.turns(ctx, span{key: t.was, to: to}, true)
		if err != nil {
			return err
		}
		for len(turns) > 0 && turns[0].statement.is(t.statement) { // it has given the key to another row
			to, turns = turns[0].seq-1, turns[1:]
		}
		got, left := exchange(turns, t.was)
		if left != nil {
			from = left.seq + 1
		}
		if got != nil && got.seq < from { // what is between is another row's
			f.add(t.was, got.seq, got.seq)
		} else if got != nil {
			from = got.seq
		}
		f.add(t.was, from, to)
		if got == nil { // the row was inserted, or history doesn't say
			return nil
		}
		t = *got
	}
	return nil
}

// forwards adds the life of the row under its new key after it got it by t, and from
// there on.
func (f *followed) forwards(ctx context.Context, t turn) error {
	for !f.on[t.seq] {
		f.on[t.seq] = true
		from, to := t.seq+1, int64(math.MaxInt64)
		turns, err := f.from.turns(ctx, span{key: t.is, from: from, to: to}, false)
		if err != nil {
			return err
		}
		for len(turns) > 0 && turns[0].statement.is(t.statement) { // it has taken the key from another row
			from, turns = turns[0].seq+1, turns[1:]
		}
		got, left := exchange(turns, t.is)
		if left != nil {
			to = left.seq
		}
		if got != nil && got.seq < to { // what is between is another row's
			to = got.seq - 1
			if left != nil {
				f.add(t.is, left.seq, left.seq)
			}
		}
		f.add(t.is, from, to)
		if left == nil || left.is == "" {
			return nil
		}
		t = *left
	}
	return nil
}

func (f *followed) add(key string, from, to int64) {
	if from <= to {
		f.spans = append(f.spans, span{key: key, from: from, to: to})
	}
}

// exchange returns how a row got the key and how one left it, or nil: in the
// statement of the first turn, and there what comes first.
func exchange(turns []turn, key string) (got, left *turn) {
	for i := range turns {
		t := &turns[i]
		switch {
		case i > 0 && !t.statement.is(turns[0].statement):
			return got, left
		case t.is == key && got == nil:
			got = t
		case t.is != key && left == nil:
			left = t
		}
	}
	return got, left
}

// turns reads the first turns of a span, or the newest: those of two statements at
// least, each of which takes a key from one row and gives it to another.
func (q *query) turns(ctx context.Context, s span, newest bool) ([]turn, error) {
	var rows []eventrow.Row
	order := "e.seq"
	if newest {
		order = "e.seq DESC"
	}
	sel := q.bare(s.key).find(&rows, []span{s}, func(sel *bun.SelectQuery) *bun.SelectQuery {
		sel = sel.Where("(e.op = ? AND NOT e.soft OR e.old_key IS NOT NULL)", string(sink.Delete)).OrderExpr(order)
		return set(sel.Limit, 4)
	})
	return q.readTurns(ctx, sel, &rows)
}

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
