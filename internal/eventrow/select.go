package eventrow

import (
	"cmp"
	"strconv"

	"github.com/sqlaudit/bun/internal/value"
)

// Select says how PostgreSQL computes the columns that differ between the rows
// of one statement. Each is an SQL expression.
type Select struct {
	Op      string
	Key     string
	OldKey  string // empty: no row has one
	Changes string
	Soft    string // empty: false for all
	Tx      string // empty: the row's own

	// Param is the number of the first of the parameters that stand for what the
	// rows have in common, as [Row.AppendArguments] gives it. 0: it is written
	// into the statement.
	Param int
}

// takeParam appends the next parameter with its type, if there are any.
func (s *Select) takeParam(b []byte, typ string) ([]byte, bool) {
	if s.Param == 0 {
		return b, false
	}
	b = strconv.AppendInt(append(b, '$'), int64(s.Param), 10)
	s.Param++
	return append(b, typ...), true
}

// AppendColumns appends the names of the columns that [Row.AppendSelect] gives
// values to.
func (r *Row) AppendColumns(b []byte, s *Select) []byte {
	b = append(b, `"id", "time", "op", "table_name", "key", "changes", "tx"`...)
	if s.OldKey != "" {
		b = append(b, `, "old_key"`...)
	}
	if s.Soft != "" {
		b = append(b, `, "soft"`...)
	}
	for _, c := range r.shared() {
		if c.value != "" {
			b = append(append(append(b, `, "`...), c.name...), '"')
		}
	}
	return b
}

// AppendSelect appends the SELECT of rows for an INSERT, without its FROM: what
// they have in common is r's. The ids count up from r's, row by row, or have its
// time and are random, which is cheaper. With parameters they have to be random.
func (r *Row) AppendSelect(b []byte, s *Select, random bool) []byte {
	params, ok := *s, false
	b = append(b, "SELECT "...)
	if random {
		b = append(b, "overlay(gen_random_uuid()::text PLACING "...)
		if b, ok = params.takeParam(b, "::text"); !ok {
			b = append(append(append(b, '\''), r.ID[:stamp]...), '\'')
		}
		b = append(b, " FROM 1)::uuid"...)
	} else {
		b = appendID(b, r.ID)
	}
	if b, ok = params.takeParam(append(b, ", "...), "::timestamptz"); !ok {
		b = append(r.Time.t.AppendFormat(append(b, '\''), timeLayout), "'::timestamptz"...)
	}
	b = append(append(b, ", "...), s.Op...)
	b = value.AppendPostgresLiteral(append(b, ", "...), r.Table)
	b = append(append(b, ", "...), s.Key...)
	b = append(append(b, ", "...), s.Changes...)
	b = append(b, ", "...)
	if s.Tx != "" {
		b = append(b, s.Tx...)
	} else if b, ok = params.takeParam(b, "::uuid"); !ok {
		b = append(append(append(b, '\''), r.Tx...), "'::uuid"...)
	}
	if s.OldKey != "" {
		b = append(append(b, ", "...), s.OldKey...)
	}
	if s.Soft != "" {
		b = append(append(b, ", "...), s.Soft...)
	}
	for _, c := range r.shared() {
		if c.value == "" {
			continue
		}
		if b, ok = params.takeParam(append(b, ", "...), cmp.Or(c.cast, "::text")); !ok {
			b = append(value.AppendPostgresLiteral(b, c.value), c.cast...)
		}
	}
	return b
}

// stamp is how much of an id is the time: three groups, with the version and
// the fraction of a millisecond.
const stamp = 18

// AppendArguments appends the literals that the parameters of [Row.AppendSelect]
// stand for, with random ids and the row's own Tx, and commas between them.
func (r *Row) AppendArguments(b []byte) []byte {
	b = append(append(append(b, '\''), r.ID[:stamp]...), "','"...)
	b = r.Time.t.AppendFormat(b, timeLayout)
	b = append(append(append(b, "','"...), r.Tx...), '\'')
	for _, c := range r.shared() {
		if c.value != "" {
			b = value.AppendPostgresLiteral(append(b, ','), c.value)
		}
	}
	return b
}

// Shared says which of the columns that may be NULL have a value that all rows
// have in common: with the same ones [Row.AppendSelect] has the same parameters.
func (r *Row) Shared() (set uint16) {
	for i, c := range r.shared() {
		if c.value != "" {
			set |= 1 << i
		}
	}
	return set
}

type sharedColumn struct{ name, value, cast string }

// shared are the columns that may be NULL and that all rows have in common.
func (r *Row) shared() [9]sharedColumn {
	return [...]sharedColumn{
		{"model", string(r.Model), ""},
		{"actor_id", string(r.ActorID), ""},
		{"actor_type", string(r.ActorType), ""},
		{"actor_name", string(r.ActorName), ""},
		{"on_behalf_of", string(r.OnBehalfOf), ""},
		{"reason", string(r.Reason), ""},
		{"meta", string(r.Meta), "::jsonb"},
		{"trace_id", string(r.TraceID), ""},
		{"span_id", string(r.SpanID), ""},
	}
}

// appendID appends an expression that counts up from a UUID, in its last 48
// bits.
func appendID(b []byte, id string) []byte {
	const node = 24 // where the last group begins
	n, _ := strconv.ParseUint(id[node:], 16, 64)
	if n >= 1<<48-1<<32 {
		n -= 1 << 47 // room for every row that a statement can have
	}
	b = append(append(append(b, "('"...), id[:node]...), "'||lpad(to_hex(row_number() OVER ()+("...)
	b = strconv.AppendInt(b, int64(n)-1, 10)
	return append(b, ")),12,'0'))::uuid"...)
}
