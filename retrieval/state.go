package retrieval

import (
	"encoding/json"
	"maps"
	"math"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// presence is whether a row is there.
type presence uint8

const (
	unsure presence = iota // history doesn't say
	gone
	there
)

// state is what history tells of a row at some moment.
type state struct {
	presence presence
	key      sink.Values
	columns  map[string]known // by the name that the column has today
	soft     bool
	last     *found // the event that made the row what it is
	gap      *found // why the row isn't known as a whole: the event with which its history begins, or after which it is blind; or nil
}

// unheardOf is the state of the row with a canonical key before its first event.
func unheardOf(key string) *state {
	var s state
	_ = json.Unmarshal([]byte(key), &s.key) // this package has made the text
	return &s
}

// known is what history tells of a column.
type known struct {
	raw  json.RawMessage // nil where there is a mask
	mask sink.Mask
	by   string // the event that set it
}

// fold replays the events of some rows, in the order in which they were
// written. Where a key changes, the state stays that of the row.
type fold struct {
	model  *model.Model
	rows   map[string]*state // by canonical key
	wholes []found           // the events about the whole table that are still to come

	statement statement
	displaced map[string]*state // the rows that had the keys which the statement has given to others; nil: none that is known
}

// statement tells apart the statements whose events these are: those of a transaction
// have different times. Where a key is DEFERRABLE, one statement of PostgreSQL can
// give a row the key of another one, which it gives another key, all at once. Its
// events come one after the other all the same, where there is a circle in no better
// order than any: a row gets a key that another one has, and a row leaves that key.
// As a statement changes a row once, that is the other one.
type statement struct {
	tx     string
	micros int64
}

func statementOf(e *sink.Event) statement { return statement{e.Tx, e.Time.UnixMicro()} }

// is reports whether two events are of one statement.
func (s statement) is(other statement) bool { return s == other && s.tx != "" }

func newFold(m *model.Model, wholes []found) *fold {
	return &fold{model: m, rows: map[string]*state{}, wholes: wholes}
}

// apply replays an event of a row, and all that happened to the table before
// it. It returns the row.
func (f *fold) apply(e *found) (*state, error) {
	f.advance(e.seq)
	old, key, err := keysOf(f.model, e)
	if err != nil {
		return nil, err
	}
	s, displaced := f.leaving(old, e)
	if s == nil || e.Op == sink.Insert {
		s = &state{} // another row than the one before it under this key
	}
	s.apply(f.model, e)
	if displaced {
		delete(f.displaced, old)
	} else if old != key {
		f.rows[old] = &state{presence: gone, last: e}
	}
	if displaced && old == key { // the key is another row's
		return s, nil
	}
	if old != key {
		if !f.statement.is(statementOf(&e.Event)) {
			f.statement, f.displaced = statementOf(&e.Event), map[string]*state{}
		}
		f.displaced[key] = f.rows[key]
	}
	f.rows[key] = s
	return s, nil
}

// leaving returns the row that has a key before an event, nil for one that is unheard
// of, and whether the same statement has given its key to another row already.
func (f *fold) leaving(key string, e *found) (s *state, displaced bool) {
	if f.statement.is(statementOf(&e.Event)) && leaves(&e.Event) {
		if s, displaced = f.displaced[key]; displaced {
			return s, true
		}
	}
	return f.rows[key], false
}

// leaves reports whether a row no longer has its key after the event.
func leaves(e *sink.Event) bool { return e.OldKey != nil || e.Op == sink.Delete && !e.Soft }

// advance replays what happened to the whole table before an event.
func (f *fold) advance(seq int64) {
	for len(f.wholes) > 0 && f.wholes[0].seq < seq {
		for _, s := range f.rows {
			s.apply(f.model, &f.wholes[0])
		}
		f.wholes = f.wholes[1:]
	}
}

// end replays what is left to happen to the whole table.
func (f *fold) end() { f.advance(math.MaxInt64) }

// keysOf returns the canonical texts of the keys that the row had before the event
// and has after it, their columns under the names of today.
func keysOf(m *model.Model, e *found) (was, is string, err error) {
	if is, err = canonicalKey(currentKey(m, e.Key)); err != nil || e.OldKey == nil {
		return is, is, err
	}
	was, err = canonicalKey(currentKey(m, e.OldKey))
	return was, is, err
}

// currentKey gives the columns of a key the names of today.
func currentKey(m *model.Model, key sink.Values) sink.Values {
	if m == nil || m.Was == nil {
		return key
	}
	current := make(sink.Values, len(key))
	for name, raw := range key {
		current[m.Current(name)] = raw
	}
	return current
}

func (s *state) apply(m *model.Model, e *found) {
	switch {
	case e.Op == sink.Erase: // the earlier events have been changed; the row hasn't
		return
	case e.Op == sink.Truncate:
		*s = state{presence: gone, key: s.key, last: e}
		return
	case e.Op == sink.Opaque:
		*s = state{presence: unsure, key: s.key, last: e, gap: e}
		return
	case e.Op == sink.Delete && !e.Soft:
		*s = state{presence: gone, key: currentKey(m, e.Key), last: e}
		return
	}
	before := s.columns
	switch {
	case e.Op == sink.Insert, e.Op == sink.Snapshot:
		s.columns, s.gap, s.soft = nil, nil, e.Soft
	case s.presence != there && s.gap == nil:
		s.gap = e // the row was there before, and history doesn't say since when
	}
	if e.Op == sink.Delete || e.Op == sink.Restore {
		s.soft = e.Op == sink.Delete
	}
	s.presence, s.key, s.last = there, currentKey(m, e.Key), e
	if s.columns == nil {
		s.columns = make(map[string]known, len(e.Changes))
	}
	for name, c := range e.Changes {
		if m != nil {
			name = m.Current(name)
		}
		if _, isKey := s.key[name]; isKey {
			continue
		}
		k := known{raw: c.New, mask: c.Mask, by: e.ID}
		if was, ok := before[name]; ok && e.Op == sink.Snapshot && k.mask == was.mask && k.mask != sink.Unmasked {
			k.by = was.by // it only says that there is a value
		}
		s.columns[name] = k
	}
}

// clone is the state as it is now.
func (s *state) clone() state {
	c := *s
	c.columns = maps.Clone(s.columns)
	return c
}
