package retrieval

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/sqlaudit/bun/sink"
)

// Diff is what is different about a row at two moments.
type Diff struct {
	// Was and Is say whether the row was there at the first moment, and at the
	// second.
	Was, Is bool

	// Fields are the columns with different values, in the order of the model.
	// Where the row was not there they are all columns that it had at the other
	// moment.
	Fields []FieldDiff
}

// FieldDiff is what is different about a column.
type FieldDiff struct {
	// Field is the name of the column.
	Field string

	// Old and New are the values at the first moment and at the second, in the
	// Go type of the model's field, as in [Change]. OldJSON and NewJSON are nil
	// where the row was not there, and where the value is not on record.
	Old, New         any
	OldJSON, NewJSON json.RawMessage

	// Mask says whether the values were kept out of the record. That they have
	// changed is known.
	Mask sink.Mask
}

// Diff returns what is different about the row between two times: about the row
// that had the key of the query at the second one, under whatever key it was at
// the first; or, where there was none, about the one that had it at the first.
//
// The error is [sql.ErrNoRows] where there was no such row at either time. With
// an [*IncompleteError], for which see [Query.AsOf], comes the difference of what
// is known.
func (q *Query[M]) Diff(ctx context.Context, from, to time.Time) (Diff, error) {
	if err := q.onlyKeys(ctx, true); err != nil {
		return Diff{}, err
	}
	if to.Before(from) {
		return Diff{}, errors.New("retrieval: diff: the second time is before the first")
	}
	was, is, err := q.two(ctx, from, to)
	if err != nil {
		return Diff{}, err
	}
	older, errOlder := q.row(was)
	newer, errNewer := q.row(is)
	for _, err := range []error{errOlder, errNewer} {
		if err != nil && !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, ErrIncomplete) {
			return Diff{}, err
		}
	}
	d := older.Diff(newer)
	switch {
	case errors.Is(errOlder, ErrIncomplete):
		return d, errOlder
	case errors.Is(errNewer, ErrIncomplete):
		return d, errNewer
	case !d.Was && !d.Is:
		return Diff{}, errNewer
	}
	return d, nil
}

// two replays a row's history up to two times. A state stands for the row, under
// whatever key, so the one at the first time is that of the same row.
func (q *query) two(ctx context.Context, from, to time.Time) (was, is *state, err error) {
	wholes, err := q.wholes(ctx)
	if err != nil {
		return nil, nil, err
	}
	row := q.bare(q.keys[0])
	spans, err := row.spans(ctx)
	if err != nil {
		return nil, nil, err
	}
	first, err := row.cut(ctx, spans, from)
	if err != nil {
		return nil, nil, err
	}
	last, err := row.cut(ctx, spans, to)
	if err != nil {
		return nil, nil, err
	}
	first, last = cutWholes(first, from, wholes), cutWholes(last, to, wholes)
	f := newFold(q.model, upTo(wholes, last))
	here := unheardOf(q.keys[0])
	f.rows[q.keys[0]] = here
	older := map[*state]state{} // at the first time
	next := map[*state]*found{} // the first event after that
	var later *found            // the first event after the second time, if it says that the row was there
	taken := false
	take := func() {
		f.advance(first + 1)
		for _, s := range f.rows {
			older[s] = s.clone()
		}
		here, taken = f.rows[q.keys[0]], true
	}
	err = row.pages(ctx, 0, 0, func(page []found) (bool, error) {
		for i := range page {
			e := &page[i]
			if e.seq > first && !taken {
				take()
			}
			if e.seq > last {
				about, was, err := tells(q.model, e, q.keys[0])
				if was {
					later = e
				}
				if err != nil || about {
					return false, err
				}
				continue
			}
			s, err := f.apply(e)
			if err != nil {
				return false, err
			}
			if taken && next[s] == nil {
				next[s] = e
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, nil, err
	}
	if !taken {
		take()
	}
	f.end()
	is = f.rows[q.keys[0]]
	if is.presence == unsure && is.gap == nil {
		is.gap = later
	}
	if is.presence != there && older[here].presence == there {
		is = here // it has another key, or is no more
	}
	at := older[is]
	if e := cmp.Or(next[is], later); at.presence == unsure && at.gap == nil && e != nil && e.Op != sink.Insert {
		at.gap = e // it was there
	}
	return &at, is, nil
}

// Diff returns what is different about other, compared with r: two rows of
// [Query.RowsAsOf], say, or two of [Query.Versions]. Columns that history doesn't
// tell of both are left out. The zero Row stands for no row.
func (r Row[M]) Diff(other Row[M]) Diff {
	m := r.model
	if m == nil {
		m = other.model
	}
	d := Diff{Was: r.there(), Is: other.there()}
	for _, name := range r.columns(other, m) {
		f := FieldDiff{Field: name}
		switch {
		case d.Was && d.Is && (!r.known(name) || !other.known(name)):
			continue
		case d.Was && d.Is && r.version(name) == other.version(name):
			continue
		}
		f.OldJSON, f.NewJSON = r.value(name), other.value(name)
		if f.Mask = r.Masked[name]; f.Mask == sink.Unmasked {
			f.Mask = other.Masked[name]
		}
		f.Old, f.New = decode(m, name, f.OldJSON), decode(m, name, f.NewJSON)
		d.Fields = append(d.Fields, f)
	}
	return d
}

// there reports whether r is a row that was there.
func (r Row[M]) there() bool { return !r.Deleted && (r.Key != nil || r.Values != nil) }

// value is the value of a column, or nil.
func (r Row[M]) value(column string) json.RawMessage {
	if raw, ok := r.Key[column]; ok {
		return raw
	}
	return r.Values[column]
}

// version is a text that is the same for the same value of the column, also
// where it is masked.
func (r Row[M]) version(column string) string {
	if mask, ok := r.Masked[column]; ok {
		return string(mask) + " " + r.by[column]
	}
	return string(r.value(column))
}

// String returns the difference for people to read, one line for each column:
//
//	name: Jane Doe -> Jane Smith
//	nick: NULL -> JJ
//
// A row that was not there begins with the line "created", one that is no more
// is "deleted". Texts with several lines are shown as a unified diff.
func (d Diff) String() string {
	var b strings.Builder
	switch {
	case !d.Was && d.Is:
		b.WriteString("created\n")
	case d.Was && !d.Is:
		b.WriteString("deleted\n")
	}
	for _, f := range d.Fields {
		older, isText := longText(f.OldJSON)
		newer, areTexts := longText(f.NewJSON)
		if isText && areTexts && strings.Contains(older+newer, "\n") && f.Mask == sink.Unmasked {
			fmt.Fprintf(&b, "%s:\n%s", phrase(f.Field), udiff.Unified("old", "new", older, newer))
			continue
		}
		fmt.Fprintf(&b, "%s: ", phrase(f.Field))
		if d.Was {
			b.WriteString(text(f.OldJSON, f.Mask))
		}
		if d.Was && d.Is {
			b.WriteString(" -> ")
		}
		if d.Is {
			b.WriteString(text(f.NewJSON, f.Mask))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// longText is the text that a JSON string holds, nothing for NULL.
func longText(raw json.RawMessage) (string, bool) {
	var s string
	if raw == nil || string(raw) == "null" {
		return "", true
	}
	if !bytes.HasPrefix(raw, []byte(`"`)) || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}
