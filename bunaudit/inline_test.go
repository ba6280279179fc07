package bunaudit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// Sample has a column of each kind whose values are compared or written in a
// way of their own.
type Sample struct {
	bun.BaseModel `bun:"table:samples,alias:s,audit"`

	ID      int64           `bun:",pk"`
	Text    string          `bun:",nullzero"`
	Code    string          `bun:"type:char(5),nullzero"`
	N       int32           ``
	Price   string          `bun:"type:numeric,nullzero"`
	Ratio   float64         ``
	Flag    *bool           ``
	At      time.Time       `bun:",nullzero"`
	Local   time.Time       `bun:"type:timestamp,nullzero"`
	Day     time.Time       `bun:"type:date,nullzero"`
	Data    []byte          ``
	Doc     json.RawMessage `bun:"type:jsonb"`
	Plain   json.RawMessage `bun:"type:json"`
	Tags    []string        `bun:",array"`
	Times   []time.Time     `bun:",array"`
	Key     string          `bun:"type:uuid,nullzero"`
	Twice   int64           ``
	Secret  string          `bun:",nullzero,audit:redact"`
	Odd     string          `bun:"Odd <column>,nullzero"`
	Deleted *time.Time      `bun:",soft_delete"`
}

const samplesTable = `CREATE TABLE samples (id int8 PRIMARY KEY, text varchar, code char(5), n int4, price numeric, ratio float8, flag bool,
	at timestamptz, local timestamp, day date, data bytea, doc jsonb, plain json, tags varchar[], times timestamptz[], key uuid,
	twice int8 GENERATED ALWAYS AS (n * 2) STORED, secret text, "Odd <column>" text, deleted timestamptz)`

// sampleStatements change samples in every way that PostgreSQL records by the
// statement itself.
func sampleStatements() []string {
	row := func(id int) string {
		return fmt.Sprintf(`(%d, 'a''b\', 'ab', 1, 1.50, 0.1, true, '2026-01-02 03:04:05.1+02', '2026-01-02 03:04:05.123456', '2026-01-02',
			'\x00ff', '{"b": 1.0, "a": [null]}', '{"x": "\u0000"}', '{x,NULL}', '{infinity,"2026-01-02 03:04:05+00"}',
			'00000000-0000-0000-0000-00000000000%d', 's', 'odd')`, id, id)
	}
	const columns = `(id, text, code, n, price, ratio, flag, at, local, day, data, doc, plain, tags, times, key, secret, "Odd <column>")`
	return []string{
		"INSERT INTO samples " + columns + " VALUES " + row(1),
		"INSERT INTO samples " + columns + " VALUES " + row(2) + ", " + row(3) + ", " + row(4),
		"INSERT INTO samples (id) VALUES (5), (6)",
		"INSERT INTO samples (id, n) SELECT id + 10, n FROM samples ORDER BY id",
		"INSERT INTO samples " + columns + " VALUES " + row(1) + " ON CONFLICT DO NOTHING",
		"UPDATE samples SET n = n + 1, text = 'A''B\\' WHERE id = 1",
		"UPDATE samples SET price = price, ratio = -0.0, doc = doc, times = times, data = data WHERE id = 1",
		"UPDATE samples SET price = 1.5, code = 'ab ', flag = NULL, ratio = 'NaN' WHERE id <= 2",
		"UPDATE samples SET at = 'infinity', local = '-infinity', day = 'infinity', times = '{}' WHERE id <= 2",
		"UPDATE samples SET at = '0044-03-15 12:00:00 BC', local = '12026-01-02', day = NULL, tags = NULL, key = NULL WHERE id <= 3",
		`UPDATE samples AS x SET doc = '{"b": 1.00}', plain = '[]', data = '', secret = 't', "Odd <column>" = NULL WHERE x.id IN (2, 3)`,
		"UPDATE samples SET secret = 'u' WHERE id = 2",
		"UPDATE samples SET id = id + 100, n = 7 WHERE id IN (3, 4)",
		"UPDATE samples SET deleted = '2026-01-02' WHERE id = 103",
		"UPDATE samples SET deleted = NULL, n = 8 WHERE id = 103",
		"UPDATE samples SET deleted = NULL WHERE id = 103",
		"WITH v AS (SELECT 5 AS id) UPDATE samples SET n = 9 WHERE id IN (SELECT id FROM v) RETURNING *",
		"INSERT INTO samples " + columns + " VALUES " + row(7) + " ON CONFLICT (id) DO UPDATE SET n = samples.n + 1, at = EXCLUDED.at",
		"INSERT INTO samples " + columns + " VALUES " + row(1) + " ON CONFLICT (id) DO UPDATE SET n = samples.n + 1, at = EXCLUDED.at",
		"INSERT INTO samples (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = samples.n WHERE samples.n < 0",
		"INSERT INTO samples AS x (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET deleted = '2026-02-03' WHERE x.n > 0 RETURNING x.id",
		"DELETE FROM samples WHERE id IN (1, 2) RETURNING text",
		"DELETE FROM samples USING generate_series(5, 6) AS v (id) WHERE samples.id = v.id",
		"DELETE FROM samples",
	}
}

// Whether the statement writes its events or others do, they are the same.
func TestBothWaysGiveTheSameEvents(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	story := func(separate, withTee, prepare bool) []string {
		db := testdb.New(t, testdb.Postgres)
		_, err := db.ExecContext(t.Context(), samplesTable)
		require.NoError(t, err)
		cfg := bunaudit.Config{Now: func() time.Time { return at }, Models: []any{(*Sample)(nil)}, SeparateStatements: separate, Prepare: prepare}
		if withTee {
			second := sqlsink.New(sqlsink.Table("second"))
			require.NoError(t, second.CreateTable(t.Context(), db))
			cfg.Sink = sink.Tee(sqlsink.New(), second)
		}
		a := newAudited(t, db, cfg)
		bunaudit.PrepareAtOnce(a.hook)
		ctx := bunaudit.WithActor(t.Context(), sink.Actor{ID: "o'x\\", Type: "user", Name: "N", OnBehalfOf: "7"})
		ctx = bunaudit.WithMeta(bunaudit.WithReason(ctx, "why\x00"), "k'", `"v\`)
		var lines []string
		for i, text := range sampleStatements() {
			before := len(a.events(t))
			_, err := a.NewRaw("?", bun.Safe(text)).Exec(ctx)
			require.NoError(t, err, text)
			txs := map[string]bool{}
			var of []string
			for _, e := range a.events(t)[before:] {
				txs[e.Tx] = true
				require.Len(t, e.ID, 36)
				e.ID, e.Tx = "", ""
				b, err := json.Marshal(e)
				require.NoError(t, err)
				of = append(of, fmt.Sprint(i, " ", string(b)))
			}
			require.LessOrEqual(t, len(txs), 1, text)
			lines = append(lines, of...)
		}
		if withTee {
			var n int
			require.NoError(t, db.NewRaw(`SELECT count(*) FROM audit_events AS e JOIN second AS s ON s.seq = e.seq AND
				(s.id, s.time, s.op, s.key, s.tx) = (e.id, e.time, e.op, e.key, e.tx) AND s.changes IS NOT DISTINCT FROM e.changes`).Scan(t.Context(), &n))
			require.Equal(t, len(lines), n, "both tables have the same events")
		}
		stats := a.hook.Stats()
		if !separate {
			for reason := range stats.Separate {
				require.Contains(t, reason, "came to no row", "only an upsert whose condition doesn't hold is tried twice")
			}
		}
		return lines
	}
	want := story(true, false, false)
	require.Greater(t, len(want), 30)
	require.ElementsMatch(t, want, story(false, false, false)) // the rows of a statement come in no order
	require.ElementsMatch(t, want, story(false, true, false))
	require.ElementsMatch(t, want, story(false, false, true))
}

func TestStatsSayWhyAStatementDidNotWriteItsEvents(t *testing.T) {
	type hashed struct {
		bun.BaseModel `bun:"table:customers,alias:c,audit"`

		ID   int64  `bun:",pk"`
		Name string `bun:",audit:hash"`
	}
	for reason, c := range map[string]struct {
		cfg   bunaudit.Config
		model any
		sql   string
		upTo  int // the server's version from which on there is no such reason
	}{
		"Config.SeparateStatements": {cfg: bunaudit.Config{SeparateStatements: true}, sql: "DELETE FROM customers"},
		"Config.OnFailure lets changes through": {
			cfg: bunaudit.Config{OnFailure: bunaudit.Degrade(func(context.Context, error) {})}, sql: "DELETE FROM customers"},
		"the sink's events are no rows of the audited database": {cfg: bunaudit.Config{Sink: sink.Discard{}}, sql: "DELETE FROM customers"},
		"a column is recorded as a keyed hash": {
			cfg: bunaudit.Config{HashKey: []byte("0123456789abcdef")}, model: (*hashed)(nil), sql: "DELETE FROM customers"},
		"an UPDATE that joins, before PostgreSQL 18 or with a trigger before it": {
			sql: "UPDATE customers SET score = v.n FROM (SELECT 1 AS n) AS v", upTo: 180000},
		"an upsert of several rows, or of a partitioned table, before PostgreSQL 18": {
			sql: "INSERT INTO customers (id, name) VALUES (1, 'x'), (2, 'y') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name", upTo: 180000},
		"an upsert that came to no row at first": {
			sql: "INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'z' WHERE customers.score < 0", upTo: 180000},
		"it has failed, and the error was to be told apart": {sql: "UPDATE customers SET score = 1 / (score - score)"},
		"its kind": {sql: "TRUNCATE customers"},
	} {
		t.Run(reason, func(t *testing.T) {
			db := testdb.New(t, testdb.Postgres)
			if c.upTo > 0 {
				var version int
				require.NoError(t, db.NewRaw("SELECT current_setting('server_version_num')::int").Scan(t.Context(), &version))
				if version >= c.upTo {
					t.Skipf("PostgreSQL %d records it by the statement itself", version/10000)
				}
			}
			if c.model == nil {
				c.model = (*Customer)(nil)
			}
			c.cfg.Models = []any{c.model}
			a := newAudited(t, db, c.cfg)
			_, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(t.Context())
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), "INSERT INTO customers (id, name, score) VALUES (1, 'a', 0)")
			require.NoError(t, err)
			_, _ = a.NewRaw(c.sql).Exec(t.Context())
			require.Equal(t, map[string]int64{reason: 1}, a.hook.Stats().Separate)
		})
	}
}

// A trigger, or another type, that a column gets under the running program may
// change what the statement said nothing about.
func TestATableIsAlteredUnderTheRunningProgram(t *testing.T) {
	alterations := map[string][]string{
		"a trigger": {`CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$`,
			`CREATE TRIGGER shout BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION shout()`},
		"a type": {"ALTER TABLE customers ALTER score TYPE numeric"},
	}
	want := map[string]string{
		"a trigger": `update customers {"id":1}: name "a" -> "A", score 1 -> 2`,
		"a type":    `update customers {"id":1}: score 1 -> 2`,
	}
	for name, alter := range alterations {
		prepare := func(t *testing.T) *audited {
			db := testdb.New(t, testdb.Postgres)
			a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
			_, err := a.NewInsert().Model(&Customer{Name: "a"}).Exec(t.Context())
			require.NoError(t, err)
			_, err = a.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = 1").Exec(t.Context())
			require.NoError(t, err)
			for _, text := range alter {
				_, err = db.ExecContext(t.Context(), text)
				require.NoError(t, err)
			}
			return a
		}
		update := func(ctx context.Context, db bun.IDB) error {
			_, err := db.NewUpdate().Model((*Customer)(nil)).Set("score = score + 1").Where("id = 1").Exec(ctx)
			return err
		}
		t.Run(name+", on the pool", func(t *testing.T) {
			a := prepare(t)
			require.NoError(t, update(t.Context(), a))
			require.Equal(t, want[name], a.story(t)[2])
		})
		t.Run(name+", in a transaction", func(t *testing.T) {
			a := prepare(t)
			inTx := func() error {
				return a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return update(ctx, tx) })
			}
			err := inTx()
			var notRecorded *bunaudit.NotRecordedError
			require.ErrorAs(t, err, &notRecorded)
			require.ErrorContains(t, err, "try again")
			require.Len(t, a.story(t), 2, "the transaction is rolled back")
			require.NoError(t, inTx())
			require.Equal(t, want[name], a.story(t)[2])
		})
	}
}
