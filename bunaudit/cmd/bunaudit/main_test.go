package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/bunaudit/cmd/bunaudit/cli"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// result is what a command line came to.
type result struct {
	code     int
	out, err string
}

func ask(t *testing.T, db string, args ...string) result {
	t.Helper()
	var out, stderr bytes.Buffer
	code := cli.Run(t.Context(), config(), args, db, &out, &stderr)
	return result{code, out.String(), stderr.String()}
}

func eventID(i int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012x", i) }

// trail stores the history of two customers, a minute between the events, and
// a truncation of another table.
func trail(t *testing.T, db *testdb.DB) {
	t.Helper()
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	key := func(id string) sink.Values { return sink.Values{"id": raw(id)} }
	jane := sink.Actor{ID: "42", Type: "user", Name: "Jane"}
	events := []sink.Event{
		{Op: sink.Insert, Key: key("1"), Actor: jane, Changes: map[string]sink.Change{"name": {New: raw(`"Bob"`)}, "email": {Mask: sink.Redacted}}},
		{Op: sink.Insert, Key: key("2"), Changes: map[string]sink.Change{"name": {New: raw(`"Ann"`)}}},
		{Op: sink.Update, Key: key("2"), Actor: jane, Reason: "a\x1b[31m\twish", Changes: map[string]sink.Change{"name": {Old: raw(`"Ann"`), New: raw(`"Anna"`)}}},
		{Op: sink.Update, Key: key("3"), Changes: map[string]sink.Change{"name": {Old: raw(`"C"`), New: raw(`"D"`)}}},
		{Op: sink.Truncate, Statement: "TRUNCATE", Table: "seats", Model: "Seat"},
	}
	for i := range events {
		e := &events[i]
		e.ID, e.Tx, e.Time = eventID(i), eventID(100+i), time.Date(2026, 1, 2, 3, i, 0, 0, time.UTC)
		if e.Table == "" {
			e.Table, e.Model = "customers", "Customer"
		}
	}
	store(t, db, events)
}

func store(t *testing.T, db *testdb.DB, events []sink.Event) {
	t.Helper()
	s := sqlsink.New()
	require.NoError(t, s.CreateTable(t.Context(), db.DB))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Write(t.Context(), tx, events))
	require.NoError(t, tx.Commit())
}

func TestCommands(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		missing := ask(t, db.DSN, "check")
		assert.Equal(t, 1, missing.code)
		assert.Contains(t, missing.err, "the table is missing")
		for _, args := range []string{"history", "as-of c --at 1d", "prune c --until 1d", "export"} {
			r := ask(t, db.DSN, strings.Fields(args)...)
			assert.Equal(t, 1, r.code)
			assert.Contains(t, r.err, "the table is missing or of another version (audit_events)")
			assert.Empty(t, r.out)
		}

		trail(t, db)
		assert.Equal(t, result{out: "fine: the table of events is there\n"}, ask(t, db.DSN, "check"))

		t.Run("a row's history is a table for people", func(t *testing.T) {
			r := ask(t, db.DSN, "history", "customers", "--key", "id=2")
			assert.Equal(t, strings.Join([]string{
				`TIME                  OP      TABLE      KEY       FIELD  OLD    NEW     ACTOR           REASON`,
				`2026-01-02T03:02:00Z  update  customers  {"id":2}  name   "Ann"  "Anna"  user 42 (Jane)  a\x1b[31m\twish`,
				`2026-01-02T03:01:00Z  insert  customers  {"id":2}  name          "Ann"                   `, ``}, "\n"), r.out)
			assert.Zero(t, r.code, r.err)
		})
		t.Run("an event without fields is a line too", func(t *testing.T) {
			assert.Contains(t, ask(t, db.DSN, "history", "seats").out, "truncate  seats")
		})
		t.Run("a table that nobody knows is named, and those that there are", func(t *testing.T) {
			said := "bunaudit: no event is of a table custmers"
			if db.Backend != testdb.MariaDB {
				said += ", but of customers, seats"
			}
			for _, args := range []string{"history custmers", "export custmers", "prune custmers --until 1d", "as-of custmers --at 1d"} {
				r := ask(t, db.DSN, strings.Fields(args)...)
				assert.Equal(t, said+"\n", r.err, args)
				assert.Zero(t, r.code, args)
			}
			assert.Equal(t, result{err: "bunaudit: there is no such event\n"}, ask(t, db.DSN, "history", "customers", "--until", "2020-01-01"))
			assert.Equal(t, result{}, ask(t, db.DSN, "history", "customers", "--until", "2020-01-01", "--json"))
			r := ask(t, db.DSN, "as-of", "custmers", "--at", "1d", "--key", "id=1")
			assert.Equal(t, 1, r.code)
			assert.Equal(t, said+"\nbunaudit: history knows of no such row at that time\n", r.err)
		})
		t.Run("filters narrow down", func(t *testing.T) {
			for want, args := range map[string]string{
				"0 2":       "--by 42",
				"1 3 4":     "--by=", // nobody's
				"0 1":       "customers --op insert",
				"2":         "customers --op update --key id=2 --field name",
				"1 2":       "--since 2026-01-02T03:01:00Z --until 2026-01-02T03:03:00Z",
				"3":         "--tx " + eventID(103),
				"0 1 2 3":   "customers --since 2026-01-02 --until 2026-01-03",
				"4":         "seats --until 1m",
				"0 1 2 3 4": "--limit 0",
			} {
				r := ask(t, db.DSN, append([]string{"history", "--json", "--oldest-first"}, strings.Fields(args)...)...)
				assert.Equal(t, want, strings.Join(ids(t, r.out), " "), args)
				assert.Zero(t, r.code, r.err)
			}
			assert.Equal(t, []string{"4", "3"}, ids(t, ask(t, db.DSN, "history", "--json", "--limit", "2").out))
		})
		t.Run("a row as it was", func(t *testing.T) {
			at := []string{"as-of", "customers", "--at", "2026-01-02T03:01:30Z"}
			r := ask(t, db.DSN, append(at, "--key", `{"id":2}`)...)
			assert.Equal(t, result{out: "KEY       COLUMN  VALUE\n{\"id\":2}  name    \"Ann\"\n"}, r)
			r = ask(t, db.DSN, append(at, "--json")...)
			assert.Equal(t, 1, r.code, "customer 3 was there, but nobody knows how")
			assert.Contains(t, r.out, `{"key":{"id":1},"values":{"name":"Bob"},"masked":{"email":"redact"}}`+"\n")
			assert.Contains(t, r.out, `{"key":{"id":2},"values":{"name":"Ann"}}`+"\n")
			assert.Contains(t, r.out, `{"key":{"id":3},"values":{},"incomplete":`)
			assert.Contains(t, ask(t, db.DSN, at...).out, `{"id":3}          (incomplete)`)
			r = ask(t, db.DSN, append(at, "--key", "id=9")...)
			assert.Equal(t, 1, r.code)
			assert.Contains(t, r.err, "no such row")
			r = ask(t, db.DSN, "as-of", "customers", "--at", "2026-01-03", "--key", "id=3", "--json")
			assert.Equal(t, 1, r.code, "what is known is printed, and that it isn't all")
			assert.Contains(t, r.out, `{"key":{"id":3},"values":{"name":"D"},"incomplete":`)
		})
		t.Run("what is different about a row", func(t *testing.T) {
			diff := func(since string, args ...string) result {
				return ask(t, db.DSN, append([]string{"diff", "customers", "--until", "2026-01-02T03:02:30Z", "--since", since}, args...)...)
			}
			before, then, after := "2026-01-01", "2026-01-02T03:01:30Z", "2026-01-02T03:02:10Z"
			assert.Equal(t, result{out: "FIELD  OLD    NEW\nname   \"Ann\"  \"Anna\"\n"}, diff(then, "--key", "id=2"))
			assert.Equal(t, result{out: `{"was":true,"is":true,"fields":[{"field":"name","old":"Ann","new":"Anna"}]}` + "\n"}, diff(then, "--key", "id=2", "--json"))
			assert.Equal(t, result{err: "bunaudit: nothing is different\n"}, diff(after, "--key", "id=2"))
			assert.Equal(t, result{out: `{"was":true,"is":true,"fields":[]}` + "\n"}, diff(after, "--key", "id=2", "--json"))
			assert.Equal(t, result{out: "FIELD  OLD  NEW\nemail       [redact]\nid          1\nname        \"Bob\"\n",
				err: "bunaudit: the row was not there at the first time\n"}, diff(before, "--key", "id=1"))
			assert.Equal(t, result{1, "", "bunaudit: history knows of no such row at either time\n"}, diff(before, "--key", "id=9"))
			r := diff(before, "--key", "id=3", "--json")
			assert.Equal(t, 1, r.code, "nobody knows how it was")
			assert.Contains(t, r.out, `"incomplete":"`)
			assert.Contains(t, r.err, "is incomplete")
		})
		t.Run("exports", func(t *testing.T) {
			assert.Equal(t, []string{"1", "2"}, ids(t, ask(t, db.DSN, "export", "customers", "--key", "id=2").out))
			csv := ask(t, db.DSN, "export", "--by", "42", "--op", "update", "--format", "csv")
			assert.Zero(t, csv.code, csv.err)
			assert.Equal(t, 2, strings.Count(csv.out, "\n"))
			assert.Contains(t, csv.out, `2026-01-02T03:02:00Z,update,customers,"{""id"":2}",name,"""Ann""","""Anna""",`)
		})
		t.Run("prunes when it is told twice", func(t *testing.T) {
			old := []string{"prune", "customers", "--until", "2026-01-02T03:02:00Z"}
			assert.Equal(t, result{out: "2 events would be deleted: say --yes to do so\n"}, ask(t, db.DSN, old...))
			assert.Len(t, ids(t, ask(t, db.DSN, "export").out), 5)
			assert.Equal(t, result{out: `{"events":2,"dry_run":false}` + "\n"}, ask(t, db.DSN, append(old, "--yes", "--batch", "1", "--json")...))
			assert.Equal(t, result{out: "2 events deleted\n"}, ask(t, db.DSN, "prune", "--keep", "1", "--yes"))
			assert.Equal(t, []string{"4"}, ids(t, ask(t, db.DSN, "export").out))
		})
	})
}

// ids returns the last digit of the ID of each event of JSON Lines.
func ids(t *testing.T, lines string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(lines) {
		var e sink.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		all = append(all, e.ID[len(e.ID)-1:])
	}
	return all
}

func TestMistakesAreFoundBeforeAnythingIsDone(t *testing.T) {
	db := testdb.New(t, testdb.SQLite)
	trail(t, db)
	for _, args := range []string{
		"no-such-command", "history --no-such-flag", "history a b", "history --key id=1", "history c --key id", "history c --key {}",
		"history c --key id=1 --key id=2", "history --since yesterday", "history --until -3h", "history --op upsert", "history --limit -1",
		"as-of", "as-of c", "as-of c --at x", "diff", "diff c --since 1h", "diff c --key id=1", "diff c --key id=1 --since x", "diff c --key id=1 --since 2999-01-01",
		"diff c --key id=1 --since 1h --until 2h", "prune c", "prune c --keep -1", "prune --yes", "export --format xml", "export --json --format csv",
		"check --db", "check --db /no/such/file", "history --tx 17", "history --events=", "check --schema " + strings.Repeat("x", 64),
		"verify", "verify --key id=1", "baseline c", "baseline c --yes", "baseline c --yes --batch -1", "revert c", "revert c --reason r",
		"revert c --key id=1 --reason r", "revert c --tx " + eventID(1) + " --reason r", "revert --tx " + eventID(1), "partitions c", "partitions --add -1",
		"partitions --yes", "partitions --drop", "partitions --detach-before soon",
	} {
		r := ask(t, db.DSN, strings.Fields(args)...)
		assert.Equal(t, 2, r.code, args)
		assert.NotEmpty(t, r.err, args)
		assert.Empty(t, r.out, args)
	}
	assert.Equal(t, 2, ask(t, "", "check").code)
	assert.Len(t, ids(t, ask(t, db.DSN, "export").out), 5)
}

func TestTheDatabaseIsNeverPrinted(t *testing.T) {
	for _, db := range []string{
		"postgres://me:hunter2@127.0.0.1:1/shop?sslmode=disable", "postgres://me:hunter2@[/", "postgres://me:hunter2@h:x/shop",
		"postgres://me:hunter2@h/shop?sslmode=hunter2", "postgres:hunter2", "mysql://me:hunter2@tcp(127.0.0.1:1)/shop", "mysql://me:hunter2@h",
		"me:hunter2@tcp(h/shop", "me:hunter2@tcp(127.0.0.1:1)/shop?tls=hunter2", "sqlite:hunter2", "hunter2", "file:hunter2?mode=ro",
	} {
		for _, args := range [][]string{{"check"}, {"--help"}, {"check", "--help"}, {"check", "x"}, {"check", "--db", db}} {
			r := ask(t, db, args...)
			assert.NotContains(t, r.out+r.err, "hunter2", "%s %s", db, args)
			if len(args) != 2 || args[1] == db {
				assert.Equal(t, args[0] != "--help", r.code != 0, "%s %s", db, args)
			}
		}
	}
}

func TestPartitions(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		s := sqlsink.New(sqlsink.Monthly())
		require.NoError(t, s.CreateTable(t.Context(), db))
		r := ask(t, db.DSN, "partitions")
		if db.Backend != testdb.Postgres {
			assert.Equal(t, 1, r.code)
			assert.Contains(t, r.err, "that is for PostgreSQL")
			return
		}
		assert.Equal(t, 6, strings.Count(r.out, "\n"), r.out)
		r = ask(t, db.DSN, "partitions", "--add", "5")
		assert.Equal(t, 2, strings.Count(r.out, "added"), r.out)
		r = ask(t, db.DSN, "partitions", "--detach-before", "2999-01-01")
		assert.Equal(t, 6, strings.Count(r.out, "to be detached"), r.out)
		r = ask(t, db.DSN, "partitions", "--detach-before", "2999-01-01", "--drop", "--yes", "--json")
		assert.Zero(t, r.code, r.err)
		assert.Equal(t, 6, strings.Count(r.out, `"state":"dropped"`), r.out)
		assert.Equal(t, 2, strings.Count(ask(t, db.DSN, "partitions").out, "\n"), "one is left, for everything")
	})
}
