package eventrow

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/sink"
)

// Row is an event as a row of the table. The name in its tag is only the
// default: queries give the real one by ModelTableExpr, see [Table.Expr].
type Row struct {
	bun.BaseModel `bun:"table:audit_events,alias:e"`

	// Seq orders the rows as they were inserted. The database sets it.
	Seq int64 `bun:"seq,pk,autoincrement"`

	ID         string `bun:"id"`
	Time       Time   `bun:"time"`
	Op         string `bun:"op"`
	Statement  Text   `bun:"statement"`
	Table      string `bun:"table_name"`
	Model      Text   `bun:"model"`
	Key        JSON   `bun:"key"`
	OldKey     JSON   `bun:"old_key"`
	Changes    JSON   `bun:"changes"`
	ActorID    Text   `bun:"actor_id"`
	ActorType  Text   `bun:"actor_type"`
	ActorName  Text   `bun:"actor_name"`
	OnBehalfOf Text   `bun:"on_behalf_of"`
	Reason     Text   `bun:"reason"`
	Meta       JSON   `bun:"meta"`
	Tx         string `bun:"tx"`
	Soft       bool   `bun:"soft"`
	TraceID    Text   `bun:"trace_id"`
	SpanID     Text   `bun:"span_id"`
}

// FromEvent returns the row that stores e. It fails where e could not be stored
// on every database: an ID or Tx that is no UUID, a missing Op or Table, a time
// out of the range of years 1 to 9999, or a value that is not JSON.
func FromEvent(e *sink.Event) (Row, error) {
	row := Row{
		ID:         e.ID,
		Time:       NewTime(e.Time),
		Op:         string(e.Op),
		Statement:  Text(Clean(e.Statement)),
		Table:      Clean(e.Table),
		Model:      Text(Clean(e.Model)),
		ActorID:    Text(Clean(e.Actor.ID)),
		ActorType:  Text(Clean(e.Actor.Type)),
		ActorName:  Text(Clean(e.Actor.Name)),
		OnBehalfOf: Text(Clean(e.Actor.OnBehalfOf)),
		Reason:     Text(Clean(e.Reason)),
		Tx:         e.Tx,
		Soft:       e.Soft,
		TraceID:    Text(Clean(e.TraceID)),
		SpanID:     Text(Clean(e.SpanID)),
	}
	if err := validate(e); err != nil {
		return Row{}, err
	}
	var err error
	if row.Key, err = Canonical(e.Key); err != nil {
		return Row{}, fmt.Errorf("encode key: %w", err)
	}
	if row.OldKey, err = Canonical(e.OldKey); err != nil {
		return Row{}, fmt.Errorf("encode old key: %w", err)
	}
	if row.Changes, err = encodeMap(e.Changes); err != nil {
		return Row{}, fmt.Errorf("encode changes: %w", err)
	}
	if row.Meta, err = encodeMap(cleanMap(e.Meta)); err != nil {
		return Row{}, fmt.Errorf("encode meta: %w", err)
	}
	return row, nil
}

// validate checks what one database would refuse and another would take.
func validate(e *sink.Event) error {
	switch {
	case !IsUUID(e.ID):
		return errors.New("id is not a UUID in lower case")
	case !IsUUID(e.Tx):
		return errors.New("tx is not a UUID in lower case")
	case e.Op == "":
		return errors.New("op is empty")
	case e.Table == "":
		return errors.New("table is empty")
	}
	if y := e.Time.UTC().Year(); y < 1 || y > 9999 {
		return errors.New("time is outside the years 1 to 9999")
	}
	return nil
}

// ToEvent returns the event that r stores. It fails where a JSON column was
// tampered with.
func (r *Row) ToEvent() (sink.Event, error) {
	e := sink.Event{
		ID:        r.ID,
		Time:      r.Time.Time(),
		Op:        sink.Op(r.Op),
		Statement: string(r.Statement),
		Table:     r.Table,
		Model:     string(r.Model),
		Actor: sink.Actor{
			ID:         string(r.ActorID),
			Type:       string(r.ActorType),
			Name:       string(r.ActorName),
			OnBehalfOf: string(r.OnBehalfOf),
		},
		Reason:  string(r.Reason),
		Tx:      r.Tx,
		Soft:    r.Soft,
		TraceID: string(r.TraceID),
		SpanID:  string(r.SpanID),
	}
	for _, c := range []struct {
		name string
		src  JSON
		dst  any
	}{
		{"key", r.Key, &e.Key},
		{"old_key", r.OldKey, &e.OldKey},
		{"changes", r.Changes, &e.Changes},
		{"meta", r.Meta, &e.Meta},
	} {
		if c.src == nil {
			continue
		}
		if err := json.Unmarshal(c.src, c.dst); err != nil {
			return sink.Event{}, fmt.Errorf("eventrow: decode column %s of event %s: %w", c.name, r.ID, err)
		}
	}
	return e, nil
}

// IsUUID reports whether s has the form that every database gives back
// unchanged: hexadecimal in lower case, grouped 8-4-4-4-12.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// Columns are what a query of the table e selects to be scanned into [Row.Fields].
// PostgreSQL gives the time as text, in UTC: what isn't a time of ours, such as 'infinity',
// is then an error of that row, and not one of the driver that ends the query.
func Columns(db *bun.DB) bun.Safe {
	var b []byte
	for i, f := range db.Table(reflect.TypeFor[Row]()).Fields {
		if i > 0 {
			b = append(b, ", "...)
		}
		if f.Name == "time" && db.Dialect().Name() == dialect.PG {
			b = append(b, "(e.time AT TIME ZONE 'UTC')::text || 'Z'"...)
		} else {
			b = append(append(b, "e."...), f.SQLName...)
		}
	}
	return bun.Safe(b)
}

// Fields are where the values of [Columns] go. Scanning into them spares Bun's
// reflection. They may be used for row after row: what the JSON columns held before is
// overwritten then.
//
// A value that no event has is an error of Scan, after which the next row can be
// scanned; the fields before it are set, Seq as the first.
func (r *Row) Fields(d dialect.Name) []any {
	var key, oldKey, changes, meta any = &r.Key, &r.OldKey, &r.Changes, &r.Meta
	if d == dialect.PG {
		key, oldKey, changes, meta = (*jsonb)(&r.Key), (*jsonb)(&r.OldKey), (*jsonb)(&r.Changes), (*jsonb)(&r.Meta)
	}
	return []any{
		&r.Seq, &r.ID, &r.Time, &r.Op, &r.Statement, &r.Table, &r.Model, key, oldKey, changes, &r.ActorID, &r.ActorType,
		&r.ActorName, &r.OnBehalfOf, &r.Reason, meta, &r.Tx, (*flag)(&r.Soft), &r.TraceID, &r.SpanID,
	}
}
