package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// What the events of a filled table are spread over.
const (
	eventsPerRow = 40
	eventsPerDay = 50_000
	actors       = 500
)

// firstDay is when the first of the events was.
var firstDay = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// fillEvents inserts the events from ? to ?, those that customers, orders and
// invoices would have had: to 93 updates 5 inserts and 2 deletes, four to a
// transaction. The event i is of a row and an actor that a hash of i chooses,
// the row among those that there are by then, so that what belongs to one row,
// or to one actor, lies all over the table. The ID has the time as a UUID of
// version 7 has it.
const fillEvents = `INSERT INTO audit_events (id, time, op, table_name, model, key, changes, actor_id, actor_type, tx)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(i % 4096), 3, '0') || '8' || substr(md5(i::text), 1, 15))::uuid,
	at, op, kind || 's', initcap(kind), jsonb_build_object('id', 1 + hash % (i / ? + 1)),
	CASE op
	WHEN 'update' THEN jsonb_build_object('name', jsonb_build_object('old', 'Jane Doe ' || i - 1, 'new', 'Jane Doe ' || i),
		'score', jsonb_build_object('old', i - 1, 'new', i), 'note', jsonb_build_object('old', NULL, 'new', 'called back by Jane Doe ' || i))
	ELSE (SELECT jsonb_object_agg(name, jsonb_build_object(CASE op WHEN 'insert' THEN 'new' ELSE 'old' END, value))
		FROM jsonb_each(jsonb_build_object('name', 'Jane Doe ' || i, 'email', 'jane.doe.' || i || '@example.org', 'region', 'south', 'score', i,
			'balance', 1250.50, 'active', true, 'note', NULL, 'updated_at', '2026-01-02T03:04:05.678901Z')) AS c(name, value))
	END,
	(hash / 7 % ?)::text, 'user', ('00000000-0000-7000-8000-' || lpad(to_hex(i / 4), 12, '0'))::uuid
FROM (
	SELECT i, hash, timestamptz ? + i * interval '1 day' / ? AS at,
		CASE WHEN i % 20 = 0 THEN 'insert' WHEN i % 50 = 1 THEN 'delete' ELSE 'update' END AS op,
		(ARRAY['customer', 'order', 'customer', 'invoice', 'customer', 'order'])[1 + i % 6] AS kind
	FROM (SELECT i, hashint8(i)::bigint + 2147483648 AS hash FROM generate_series(?::bigint, ?::bigint) AS i) AS n
	OFFSET 0
) AS e ORDER BY i`

// fillChunk is how many events a statement inserts: seconds, since one that has
// been sent can't be interrupted.
const fillChunk = 100_000

// prepare makes sure that the schema has as many events as it should, and makes
// a table of customers to write to.
func (g *grown) prepare(ctx context.Context) error {
	var found bool
	if err := g.admin.NewRaw("SELECT to_regclass(?) IS NOT NULL", g.schema+".audit_events").Scan(ctx, &found); err != nil {
		return err
	}
	if !found {
		g.made = true
		fmt.Printf("%s: filling it\n", g.schema)
		if err := g.fill(ctx); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	if err := g.checkTable(ctx); err != nil {
		return err
	}
	if err := g.trim(ctx); err != nil {
		return err
	}
	err := g.admin.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS customers; "+createCustomers); err != nil {
			return err
		}
		if _, err := tx.NewRaw("SELECT setval(pg_get_serial_sequence('customers', 'id'), ?)", g.rows).Exec(ctx); err != nil {
			return err
		}
		return fill(ctx, tx, 1, g.rows)
	})
	if err != nil {
		return err
	}
	if _, err = g.admin.ExecContext(ctx, "VACUUM ANALYZE customers"); err != nil {
		return err
	}
	g.ready = true
	return nil
}

// fill makes the table of events with all that is in it, or nothing of it where
// it fails. The indexes that aren't in the order of the events are made last.
func (g *grown) fill(ctx context.Context) error {
	err := g.admin.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+g.schema+"; SET LOCAL maintenance_work_mem = '512MB'"); err != nil {
			return err
		}
		if err := sqlsink.New().CreateTable(ctx, tx); err != nil {
			return err
		}
		var drop, create []string
		if err := tx.NewRaw("SELECT format('DROP INDEX %I.%I', schemaname, indexname), indexdef FROM pg_indexes "+
			"WHERE schemaname = ? AND tablename = 'audit_events' AND indexdef NOT LIKE 'CREATE UNIQUE %'", g.schema).
			Scan(ctx, &drop, &create); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, strings.Join(drop, ";")); err != nil {
			return err
		}
		for from := 1; from <= g.events; from += fillChunk {
			if _, err := tx.NewRaw(fillEvents, eventsPerRow, actors, firstDay, eventsPerDay, from, min(from+fillChunk-1, g.events)).Exec(ctx); err != nil {
				return err
			}
		}
		for _, index := range create {
			if _, err := tx.ExecContext(ctx, index); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = g.admin.ExecContext(ctx, "VACUUM ANALYZE audit_events")
	return err
}

// trim deletes the events of an earlier run, which come after those of the fill.
func (g *grown) trim(ctx context.Context) error {
	if _, err := g.admin.NewRaw("DELETE FROM audit_events WHERE seq > ?", g.events).Exec(ctx); err != nil {
		return err
	}
	var last int
	if err := g.admin.NewRaw("SELECT COALESCE(max(seq), 0), setval(pg_get_serial_sequence('audit_events', 'seq'), ?, false) FROM audit_events", g.events+1).
		Scan(ctx, &last, new(int)); err != nil {
		return err
	}
	if last != g.events {
		return fmt.Errorf("the last event of %s.audit_events is number %d: drop the schema", g.schema, last)
	}
	return nil
}

var errUndo = errors.New("undo it")

// checkTable compares the table, which may have been filled long ago, with the
// one that the sink makes today.
func (g *grown) checkTable(ctx context.Context) error {
	is, err := describe(ctx, g.admin, g.schema)
	if err != nil {
		return err
	}
	var wanted string
	err = g.admin.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		const schema = "bunaudit_bench_growth_wanted"
		if _, err := tx.ExecContext(ctx, "CREATE SCHEMA "+schema+"; SET LOCAL search_path = "+schema); err != nil {
			return err
		}
		if err := sqlsink.New().CreateTable(ctx, tx); err != nil {
			return err
		}
		if wanted, err = describe(ctx, tx, schema); err != nil {
			return err
		}
		return errUndo
	})
	switch {
	case !errors.Is(err, errUndo):
		return err
	case is != wanted:
		return fmt.Errorf("the table in %s is not the one that the sink makes: drop the schema, or convert it. It is\n%s\nand should be\n%s", g.schema, is, wanted)
	}
	return nil
}

// describe returns the columns and indexes of the table of events in a schema.
func describe(ctx context.Context, db bun.IDB, schema string) (text string, err error) {
	err = db.NewRaw(`SELECT string_agg(line, E'\n' ORDER BY line) FROM (
	SELECT concat_ws(' ', lpad(attnum::text, 2, '0'), attname, format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid)) AS line
	FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE attrelid = to_regclass(?) AND attnum > 0
	UNION ALL
	SELECT replace(indexdef, ?, '') FROM pg_indexes WHERE schemaname = ? AND tablename = 'audit_events'
) AS d`, schema+".audit_events", schema+".", schema).Scan(ctx, &text)
	return text, err
}
