package eventrow

import (
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
// time and are random, which is cheaper.
func (r *Row) AppendSelect(b []byte, s *Select, random bool) []byte {
	b = append(b, "SELECT "...)
	if random {
		const stamp = 18 // up to the third group: the time, the version and its fraction
		b = append(append(b, "overlay(gen_random_uuid()::text PLACING '"...), r.ID[:stamp]...)
		b = append(b, "' FROM 1)::uuid"...)
	} else {
		b = appendID(b, r.ID)
	}
	b = append(b, ", '"...)
	b = r.Time.t.AppendFormat(b, timeLayout)
	b = append(append(b, "'::timestamptz, "...), s.Op...)
	b = value.AppendPostgresLiteral(append(b, ", "...), r.Table)
	b = append(append(b, ", "...), s.Key...)
	b = append(append(b, ", "...), s.Changes...)
	if s.Tx != "" {
		b = append(append(b, ", "...), s.Tx...)
	} else {
		b = append(append(append(b, ", '"...), r.Tx...), "'::uuid"...)
	}
	if s.OldKey != "" {
		b = append(append(b, ", "...), s.OldKey...)
	}
	if s.Soft != "" {
		b = append(append(b, ", "...), s.Soft...)
	}
	for _, c := range r.shared() {
		if c.value != "" {
			b = value.AppendPostgresLiteral(append(b, ", "...), c.value)
			b = append(b, c.cast...)
		}
	}
	return b
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
