package retrieval_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

type Customer struct {
	bun.BaseModel `bun:"table:customers,audit"`

	ID      int64 `bun:",pk,autoincrement"`
	Name    string
	Email   string `bun:",audit:redact"`
	Phone   string `bun:",audit:hash"`
	Nick    *string
	Since   time.Time
	Secret  []byte `bun:",audit:-"`
	Address struct{ City string }
}

type Seat struct {
	bun.BaseModel `bun:"table:seats,audit"`

	Tenant string `bun:",pk"`
	No     int64  `bun:",pk"`
	Label  string
}

type Unaudited struct {
	ID int64 `bun:",pk"`
}

// start is when the first of the fixtures' events happened; each further one
// comes a minute later.
func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// record stores events as the SQL sink does. What an event lacks is filled in.
func record(t testing.TB, db bun.IDB, s *sqlsink.Sink, events ...sink.Event) {
	t.Helper()
	require.NoError(t, s.CreateTable(t.Context(), db))
	for i := range events {
		fill(&events[i], i)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Write(t.Context(), tx, events))
	require.NoError(t, tx.Commit())
}

func fill(e *sink.Event, i int) {
	if e.ID == "" {
		e.ID = uuid(i)
	}
	if e.Tx == "" {
		e.Tx = uuid(1000 + i)
	}
	if e.Time.IsZero() {
		e.Time = start().Add(time.Duration(i) * time.Minute)
	}
	if e.Table == "" {
		e.Table, e.Model = "customers", "Customer"
	}
	if e.Op == "" {
		e.Op = sink.Update
	}
}

func uuid(i int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012x", i) }

func key(id int) sink.Values { return sink.Values{"id": json.RawMessage(fmt.Sprint(id))} }

// renamed is an update of a customer's name.
func renamed(id int, from, to string) sink.Event {
	return sink.Event{Key: key(id), Changes: map[string]sink.Change{"name": {Old: quoted(from), New: quoted(to)}}}
}

func quoted(s string) json.RawMessage {
	return value.AppendString(nil, s)
}

// customers are two customers with a little history.
func customers(t testing.TB, db *testdb.DB) {
	t.Helper()
	jane, bob := sink.Actor{ID: "1", Type: "user", Name: "Jane"}, sink.Actor{ID: "2", Type: "user", OnBehalfOf: "7"}
	insert := func(id int, name string, by sink.Actor) sink.Event {
		return sink.Event{Op: sink.Insert, Key: key(id), Actor: by, Changes: map[string]sink.Change{
			"name": {New: quoted(name)}, "email": {Mask: sink.Redacted}, "phone": {New: quoted("hmac-sha256:00"), Mask: sink.Hashed},
			"nick": {New: json.RawMessage("null")}, "since": {New: quoted("2026-01-01T00:00:00.000000Z")},
			"address": {New: json.RawMessage(`{"City":"Wien"}`)}, "gone": {New: json.RawMessage(`[1]`)},
		}}
	}
	rename := renamed(2, "Jane Doe", "Jane Smith")
	rename.Actor, rename.Reason, rename.Meta, rename.Tx = jane, "marriage", map[string]string{"request_id": "r-1"}, uuid(4711)
	nick := sink.Event{Key: key(2), Actor: bob, Changes: map[string]sink.Change{
		"nick": {Old: json.RawMessage("null"), New: quoted("JJ")}, "email": {Mask: sink.Redacted}, "phone": {Old: quoted("hmac-sha256:00"), New: quoted("hmac-sha256:01"), Mask: sink.Hashed}}}
	record(t, db, sqlsink.New(),
		insert(1, "John", jane),
		insert(2, "Jane Doe", jane),
		rename,
		nick,
		sink.Event{Op: sink.Delete, Key: key(1), Changes: map[string]sink.Change{"name": {Old: quoted("John")}}},
	)
}

// between is a time after every event that there is, and before every later one,
// whatever a clock rounds.
func between() time.Time {
	time.Sleep(2 * time.Millisecond)
	defer time.Sleep(2 * time.Millisecond)
	return time.Now()
}
