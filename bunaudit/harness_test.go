package bunaudit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// audited is a database with the audit hook, its table of events, and another
// handle on it without the hook.
type audited struct {
	*bun.DB
	hook  *bunaudit.Hook
	plain *testdb.DB
}

// separately is the variant of a body in which PostgreSQL records changes as
// the other databases do.
const separately = "separately"

// everyWay runs body on every database, and on PostgreSQL in both ways of
// recording.
func everyWay(t *testing.T, body func(t *testing.T, db *testdb.DB)) {
	t.Helper()
	testdb.Run(t, body)
	onPostgresSeparately(t, body)
}

// onPostgres runs body on PostgreSQL, in both ways of recording.
func onPostgres(t *testing.T, body func(t *testing.T, db *testdb.DB)) {
	t.Helper()
	t.Run(testdb.Postgres, func(t *testing.T) { body(t, testdb.New(t, testdb.Postgres)) })
	onPostgresSeparately(t, body)
}

func onPostgresSeparately(t *testing.T, body func(t *testing.T, db *testdb.DB)) {
	t.Helper()
	t.Run(testdb.Postgres+", "+separately, func(t *testing.T) {
		db := testdb.New(t, testdb.Postgres)
		db.Variant = separately
		body(t, db)
	})
}

// newAudited adds the hook to db. Its sink is the SQL sink unless cfg has one.
// The models' tables are created, unless they are there.
func newAudited(t *testing.T, db *testdb.DB, cfg bunaudit.Config, models ...any) *audited {
	t.Helper()
	events := sqlsink.New()
	require.NoError(t, events.CreateTable(t.Context(), db))
	if cfg.Sink == nil {
		cfg.Sink = events
	}
	cfg.SeparateStatements = cfg.SeparateStatements || db.Variant == separately
	hook := bunaudit.New(cfg)
	pool := db.Open(t)
	pool.AddQueryHook(hook)
	for _, m := range models {
		_, err := db.NewCreateTable().Model(m).IfNotExists().Exec(t.Context())
		require.NoError(t, err)
	}
	return &audited{DB: pool, hook: hook, plain: db}
}

// renew makes a table as it was when it was created, and that of the events, for
// tests that go through many cases: new ones for each would take most of the time.
func renew(t *testing.T, db *testdb.DB, table string) {
	t.Helper()
	statements := []string{"TRUNCATE TABLE audit_events", "TRUNCATE TABLE " + table}
	switch db.Backend {
	case testdb.Postgres:
		statements = []string{"TRUNCATE TABLE audit_events, " + table + " RESTART IDENTITY"}
	case testdb.SQLite:
		statements = []string{"DELETE FROM audit_events", "DELETE FROM " + table, "DELETE FROM sqlite_sequence"}
	}
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

// onMariaDB reports whether db is a MariaDB, whose UPDATE has no RETURNING.
func onMariaDB(db runner) bool { return db.Dialect().Name() == dialect.MySQL }

// upsert makes an insert update the rows that it finds by a column; in the
// assignment EXCLUDED.column is what would have been inserted.
func upsert(q *bun.InsertQuery, key, set string) *bun.InsertQuery {
	if q.DB().Dialect().Name() == dialect.MySQL {
		return q.On("DUPLICATE KEY UPDATE").Set(excluded.ReplaceAllString(set, "VALUES($1)"))
	}
	return q.On("CONFLICT (" + key + ") DO UPDATE").Set(set)
}

var excluded = regexp.MustCompile(`EXCLUDED\.(\w+)`)

// events are all events that are on record, in order.
func (a *audited) events(t *testing.T) []sink.Event {
	t.Helper()
	var rows []eventrow.Row
	require.NoError(t, a.plain.NewSelect().Model(&rows).OrderExpr("seq").Scan(t.Context()))
	events := make([]sink.Event, len(rows))
	for i, row := range rows {
		var err error
		events[i], err = row.ToEvent()
		require.NoError(t, err)
	}
	return events
}

// story is what the record says, one line an event:
//
//	update customers {"id":1}: name "Jane Doe" -> "Jane Smith"
func (a *audited) story(t *testing.T) []string {
	t.Helper()
	return storyOf(a.events(t))
}

func storyOf(events []sink.Event) []string {
	lines := []string{}
	for _, e := range events {
		lines = append(lines, line(e))
	}
	return lines
}

func line(e sink.Event) string {
	key, _ := json.Marshal(e.Key)
	op := string(e.Op)
	if e.Soft {
		op = "soft " + op
	}
	head := fmt.Sprintf("%s %s %s", op, e.Table, key)
	if e.OldKey != nil {
		old, _ := json.Marshal(e.OldKey)
		head += fmt.Sprintf(" was %s", old)
	}
	var parts []string
	for column, c := range e.Changes {
		part := column
		if c.Mask != sink.Unmasked {
			part += " [" + string(c.Mask) + "]"
		}
		if c.Old != nil {
			part += " " + string(c.Old)
		}
		if c.New != nil {
			part += " -> " + string(c.New)
		}
		parts = append(parts, part)
	}
	sort.Strings(parts)
	if len(parts) == 0 {
		return head
	}
	return head + ": " + strings.Join(parts, ", ")
}

// transactions returns those of the events, each with how many it has.
func transactions(events []sink.Event) []int {
	var ids []string
	var counts []int
	for _, e := range events {
		if i := slices.Index(ids, e.Tx); i >= 0 {
			counts[i]++
			continue
		}
		ids, counts = append(ids, e.Tx), append(counts, 1)
	}
	return counts
}

func jane(context.Context) (sink.Actor, error) {
	return sink.Actor{ID: "1", Type: "user", Name: "Jane"}, nil
}
