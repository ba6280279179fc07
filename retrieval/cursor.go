package retrieval

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
)

// ErrCursor is reported where a cursor was not made by this package, was made
// by a query of another table, or by one in the other order.
var ErrCursor = errors.New("the cursor is none of this query")

// place is a place between two events of a query.
type place struct {
	seq    int64 // of the event before it; 0 for none
	micros int64 // the time of that event, since 1970
	newest bool
	scope  uint32
}

// placeAfter returns the place after an event of q.
func (q *query) placeAfter(e *found) place {
	return place{seq: e.seq, micros: e.Time.UnixMicro(), newest: q.newest, scope: q.scope()}
}

// scope tells queries apart that have nothing to do with each other, so that a
// cursor which was mixed up is an error. It is not meant to resist forgery: a
// cursor gives no access to anything.
func (q *query) scope() uint32 {
	h := fnv.New32a()
	for _, s := range []string{q.events.Schema, q.events.Name, q.table} {
		_, _ = h.Write([]byte(s))
		_, _ = h.Write([]byte{0})
	}
	return h.Sum32()
}

// cursorVersion is the first byte of a cursor. Another form gets another one.
const cursorVersion = 1

func (p place) encode() string {
	b := []byte{cursorVersion, 0}
	if p.newest {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint32(b, p.scope)
	b = binary.AppendUvarint(b, uint64(p.seq))
	b = binary.AppendVarint(b, p.micros)
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(s string) (place, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 7 || b[0] != cursorVersion || b[1] > 1 {
		return place{}, ErrCursor
	}
	seq, n := binary.Uvarint(b[6:])
	if n <= 0 {
		return place{}, ErrCursor
	}
	micros, m := binary.Varint(b[6+n:])
	p := place{seq: int64(seq), micros: micros, newest: b[1] == 1, scope: binary.BigEndian.Uint32(b[2:])}
	if m <= 0 || p.seq <= 0 || p.encode() != s {
		return place{}, ErrCursor
	}
	return p, nil
}

// Cursor returns an opaque text that stands for the place after the event in
// the order of the query that it came from, for [Query.After]: letters, digits,
// - and _, fit for a URL. It stays valid as long as the table of events is the
// same. An Event that no query has returned has the empty cursor.
func (e Event[M]) Cursor() string {
	if e.at.seq == 0 {
		return ""
	}
	return e.at.encode()
}

// After begins the result after the event that the cursor stands for, see
// [Event.Cursor] and [Page]; that event need not be there any more. The empty
// cursor stands for the beginning. The query has to be for the same table in
// the same order, else running it reports [ErrCursor]; its other conditions may
// differ.
func (q *Query[M]) After(cursor string) *Query[M] {
	q.after = nil
	if cursor == "" {
		return q
	}
	p, err := decodeCursor(cursor)
	if err != nil {
		q.fail(wrap(err))
		return q
	}
	q.after = &p
	return q
}

// start returns the place where the result begins.
func (q *query) start() (place, error) {
	switch {
	case q.after == nil:
		return place{}, nil
	case q.after.newest != q.newest || q.after.scope != q.scope():
		return place{}, wrap(ErrCursor)
	}
	return *q.after, nil
}
