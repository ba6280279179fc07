package retrieval

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// A batch is read by few statements, and is in memory.
const (
	batchKeys   = 200  // that are asked for
	batchEvents = 5000 // of theirs, and of the keys that their rows had before
)

// statesAt calls fn with each key and with the row that had it at the time t. It reads
// the histories of many keys together.
func (q *query) statesAt(ctx context.Context, keys []string, t time.Time, wholes []found, fn func(key string, s *state) error) error {
	for some := range slices.Chunk(keys, batchKeys) {
		if err := q.someStatesAt(ctx, some, t, wholes, fn); err != nil {
			return err
		}
	}
	return nil
}

// someStatesAt is like statesAt for up to a batch of keys. Where they have too many
// events it halves them, so that of a key with a long history this alone is replayed
// as a stream.
func (q *query) someStatesAt(ctx context.Context, keys []string, t time.Time, wholes []found, fn func(key string, s *state) error) error {
	var from chronicle = q
	if len(keys) > 1 {
		b, err := q.batch(ctx, keys)
		if err != nil {
			return err
		}
		if b == nil {
			half := len(keys) / 2
			if err := q.someStatesAt(ctx, keys[:half], t, wholes, fn); err != nil {
				return err
			}
			return q.someStatesAt(ctx, keys[half:], t, wholes, fn)
		}
		from = b
	}
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := q.stateAt(ctx, from, key, t, wholes)
		if err != nil {
			return err
		}
		if err := fn(key, s); err != nil {
			return err
		}
	}
	return nil
}

// batch has the whole history of some keys, and of those from which rows have come to
// them.
type batch struct {
	query  *query
	read   map[int64]batched   // by number
	events map[string][]*found // by the key before or after, in order
	turned map[string][]turn   // those of them that are turns
}

// batched is an event with the keys of its row.
type batched struct {
	event *found
	turn  turn // also where it is none, and the keys are the same
}

// batch reads a batch, or returns nil where that would be too much.
func (q *query) batch(ctx context.Context, keys []string) (*batch, error) {
	b := &batch{query: q, read: map[int64]batched{}, events: map[string][]*found{}, turned: map[string][]turn{}}
	for _, key := range keys {
		b.events[key] = nil
	}
	for len(keys) > 0 {
		for some := range slices.Chunk(keys, batchKeys) {
			if err := b.add(ctx, some); err != nil {
				return nil, err
			}
			if len(b.read) > batchEvents {
				return nil, nil
			}
		}
		keys = b.before()
	}
	b.sort()
	return b, nil
}

// add reads the events of some keys.
func (b *batch) add(ctx context.Context, keys []string) error {
	stored := b.query.allVariants(keys)
	for _, column := range []keyColumn{isKey, wasKey} {
		var rows []eventrow.Row
		sel := b.query.whereKey(b.query.whereTable(b.query.from(&rows)), column, stored)
		if err := set(sel.Limit, batchEvents+1).Scan(ctx); err != nil {
			return fmt.Errorf("retrieval: read events: %w", b.query.explain(err))
		}
		events, err := toEvents(rows)
		if err != nil {
			return err
		}
		for i := range events {
			t, err := turnOf(b.query.model, &events[i])
			if err != nil {
				return err
			}
			b.read[t.seq] = batched{&events[i], t}
		}
	}
	return nil
}

// before returns the keys that rows had before they got one that has been read, and
// that haven't been read themselves.
func (b *batch) before() []string {
	var keys []string
	for _, e := range b.read {
		_, isRead := b.events[e.turn.is]
		if _, wasRead := b.events[e.turn.was]; isRead && !wasRead {
			b.events[e.turn.was] = nil
			keys = append(keys, e.turn.was)
		}
	}
	return keys
}

// sort puts the events that have been read in order.
func (b *batch) sort() {
	for _, seq := range slices.Sorted(maps.Keys(b.read)) {
		e := b.read[seq]
		keys := []string{e.turn.was}
		if e.turn.is != "" && e.turn.is != e.turn.was {
			keys = append(keys, e.turn.is)
		}
		for _, key := range keys {
			b.events[key] = append(b.events[key], e.event)
			if e.turn.was != e.turn.is {
				b.turned[key] = append(b.turned[key], e.turn)
			}
		}
	}
}

func (b *batch) cut(_ context.Context, spans []span, t time.Time) (int64, error) {
	last := int64(0)
	for _, s := range spans {
		for _, e := range b.events[s.key] {
			if !e.Time.After(t) && e.Op != sink.Erase {
				last = max(last, e.seq)
			}
		}
	}
	return last, nil
}

func (b *batch) turns(_ context.Context, s span, newest bool) ([]turn, error) {
	var turns []turn
	for _, t := range b.turned[s.key] {
		if s.from <= t.seq && t.seq <= s.to {
			turns = append(turns, t)
		}
	}
	if newest {
		slices.Reverse(turns)
	}
	return turns, nil
}

func (b *batch) eachOf(_ context.Context, spans []span, fn func(*found) error) error {
	var events []*found
	for _, s := range spans {
		for _, e := range b.events[s.key] {
			if s.from <= e.seq && e.seq <= s.to {
				events = append(events, e)
			}
		}
	}
	slices.SortFunc(events, func(x, y *found) int { return cmp.Compare(x.seq, y.seq) })
	for _, e := range slices.Compact(events) {
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) next(_ context.Context, key string, seq int64) (*found, error) {
	for _, e := range b.events[key] {
		if e.seq > seq && e.Op != sink.Erase {
			return e, nil
		}
	}
	return nil, nil
}
