package eventrow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// CopyColumns are what a COPY of the table e on PostgreSQL sends in the binary format
// for a [CopyReader].
func CopyColumns(db *bun.DB) bun.Safe {
	var b []byte
	for i, f := range db.Table(reflect.TypeFor[Row]()).Fields {
		if i > 0 {
			b = append(b, ", "...)
		}
		// The type that it has, unless somebody has altered the table.
		b = append(append(append(append(b, "e."...), f.SQLName...), "::"...), copiedType(f.Name)...)
	}
	return bun.Safe(b)
}

func copiedType(column string) string {
	switch column {
	case "seq":
		return "bigint"
	case "id", "tx":
		return "uuid"
	case "time":
		return "timestamptz"
	case "soft":
		return "boolean"
	}
	return "text"
}

// CopyReader makes rows of what PostgreSQL sends for COPY (SELECT …) TO STDOUT
// (FORMAT binary) of [CopyColumns], in pieces of any size. It spares what a driver
// does for each value of a row.
type CopyReader struct {
	// Each is called for each row. The row is used again for the next. Bad says that it
	// has a value that no event has: the fields before it are set, Seq as the first.
	Each func(row *Row, bad error)

	row     Row
	rest    []byte // that came, and is no whole row yet
	started bool
	ended   bool
	err     error
}

// Write takes what came. It always takes all of it, since a driver that is stopped
// halfway is out of step with the server: see Err.
func (r *CopyReader) Write(p []byte) (int, error) {
	n := len(p)
	if r.err != nil || r.ended {
		return n, nil
	}
	if len(r.rest) > 0 {
		r.rest = append(r.rest, p...)
		p = r.rest
	}
	r.rest = append(r.rest[:0], r.read(p)...)
	return n, nil
}

// Err says, once everything came, what was wrong with it, or returns nil.
func (r *CopyReader) Err() error {
	if r.err == nil && !r.ended {
		return errors.New("eventrow: read copy: it ends too early")
	}
	return r.err
}

// copyHeader is the signature, 32 bits of flags, and the length of what else a header may
// hold, which PostgreSQL has no use for yet.
var copyHeader = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// read makes rows of p, and returns what is left of it.
func (r *CopyReader) read(p []byte) (rest []byte) {
	if !r.started {
		if len(p) < len(copyHeader) {
			return p
		}
		if !bytes.HasPrefix(p, copyHeader) {
			r.err = errors.New("eventrow: read copy: unknown header")
			return nil
		}
		r.started = true
		p = p[len(copyHeader):]
	}
	for {
		values, after, whole := r.cut(p)
		switch {
		case r.err != nil || r.ended:
			return nil
		case !whole:
			return p
		}
		r.Each(&r.row, r.set(values))
		p = after
	}
}

// width is how many columns a row has.
const width = 20

// cut returns the values of the row that p starts with, nil for NULL, and what
// follows it, unless p doesn't have it whole.
func (r *CopyReader) cut(p []byte) (values [width][]byte, after []byte, whole bool) {
	if len(p) < 2 {
		return values, nil, false
	}
	switch n := int16(binary.BigEndian.Uint16(p)); n {
	case width:
	case -1:
		r.ended = true
		return values, nil, false
	default:
		r.err = fmt.Errorf("eventrow: read copy: a row of %d columns", n)
		return values, nil, false
	}
	p = p[2:]
	for i := range values {
		if len(p) < 4 {
			return values, nil, false
		}
		n := int32(binary.BigEndian.Uint32(p))
		p = p[4:]
		if n < 0 {
			continue
		}
		if int64(len(p)) < int64(n) {
			return values, nil, false
		}
		values[i], p = p[:n:n], p[n:]
	}
	return values, p, true
}

// set sets the row to values, which are in the order of its fields.
func (r *CopyReader) set(values [width][]byte) error {
	row, i := &r.row, 0
	next := func() []byte {
		i++
		return values[i-1]
	}
	seq := next()
	if len(seq) != 8 {
		return errors.New("eventrow: read seq: it is no number of 64 bits")
	}
	row.Seq = int64(binary.BigEndian.Uint64(seq))
	setUUID(&row.ID, next())
	if err := row.Time.setBinary(next()); err != nil {
		return err
	}
	setText(&row.Op, next())
	setText(&row.Statement, next())
	setText(&row.Table, next())
	setText(&row.Model, next())
	setJSON(&row.Key, next())
	setJSON(&row.OldKey, next())
	setJSON(&row.Changes, next())
	setText(&row.ActorID, next())
	setText(&row.ActorType, next())
	setText(&row.ActorName, next())
	setText(&row.OnBehalfOf, next())
	setText(&row.Reason, next())
	setJSON(&row.Meta, next())
	setUUID(&row.Tx, next())
	soft := next()
	row.Soft = len(soft) == 1 && soft[0] == 1
	setText(&row.TraceID, next())
	setText(&row.SpanID, next())
	return nil
}

// setText sets a text. Most are those of the row before.
func setText[T ~string](t *T, b []byte) {
	if string(*t) != string(b) {
		*t = T(b)
	}
}

func setUUID(s *string, b []byte) {
	if len(b) != 16 {
		*s = ""
		return
	}
	*s = uuid.UUID(b).String()
}

// setJSON sets a JSON to the text of a json or jsonb.
func setJSON(j *JSON, b []byte) {
	if b == nil {
		*j = nil
		return
	}
	*j = appendDense((*j)[:0], b)
}

// setBinary sets the time to microseconds since the year 2000.
func (t *Time) setBinary(b []byte) error {
	if len(b) != 8 {
		return errors.New("eventrow: read time: it has not 64 bits")
	}
	micros := int64(binary.BigEndian.Uint64(b))
	if micros == math.MinInt64 || micros == math.MaxInt64 {
		return errors.New("eventrow: read time: it is infinite")
	}
	const from2000 = 946_684_800 // the Unix time
	v := time.Unix(from2000+micros/1_000_000, micros%1_000_000*1000).UTC()
	if y := v.Year(); y < 1 || y > 9999 {
		return errors.New("eventrow: read time: it is outside the years 1 to 9999")
	}
	t.t = v
	return nil
}
