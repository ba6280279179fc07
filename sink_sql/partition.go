package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// A Partition is a part of the table of events on PostgreSQL: see [Monthly].
type Partition struct {
	// Name is the partition's own name, as a table; it is in the schema of the
	// table of events.
	Name string

	// From and Until bound the times of its events, which are not before From and
	// before Until. Zero is no bound. Both are zero for the partition that takes
	// what no other does.
	From, Until time.Time

	// Events is how many there are, as PostgreSQL estimates; 0 where it was never
	// analysed.
	Events int64

	// Bytes is what it takes on disk, indexes included.
	Bytes int64
}

// ErrNotPartitioned means that the table of events has no partitions. Tell it by
// errors.Is.
var ErrNotPartitioned = errors.New("the table is not partitioned")

// monthsAhead is how many months after this one have a partition from the start.
const monthsAhead = 3

// Partitions lists the partitions of the table, the oldest first. db is the
// database that holds it. The error is [ErrNotPartitioned] where there are none,
// and on databases other than PostgreSQL.
func (s *Sink) Partitions(ctx context.Context, db bun.IDB) ([]Partition, error) {
	all, err := s.partitions(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("sqlsink: list partitions: %w", s.explain(err))
	}
	return all, nil
}

// AddPartitions makes the missing partitions of this month and the given number
// of months after it, and returns those that it made. Call it now and then, as by
// a job each night: [Sink.CreateTable] does it with three. Events whose month had
// none are moved into it, and keep everything that they are.
//
// While it makes one writes wait, for an instant, or as long as it takes to move
// what has to be moved. It doesn't queue for its turn: see
// [Sink.DetachPartitions]. db may be a transaction, until the end of which they
// then wait.
func (s *Sink) AddPartitions(ctx context.Context, db bun.IDB, ahead int) ([]Partition, error) {
	made, err := s.addPartitions(ctx, db, ahead)
	if err != nil {
		return nil, fmt.Errorf("sqlsink: add partitions: %w", s.explain(err))
	}
	return made, nil
}

// DetachOptions say how [Sink.DetachPartitions] works.
type DetachOptions struct {
	// DryRun changes nothing, and returns what would be detached.
	DryRun bool

	// Drop drops the partitions, with the events in them. The default leaves each
	// as a table of its name, for a backup, or for ATTACH PARTITION to bring back.
	Drop bool
}

// DetachPartitions takes the partitions away all of whose events are from before
// that time, and returns them, the oldest first: the events are no part of
// history any more. It costs the same however many they are.
//
// Each is taken away in a transaction of its own, which needs the table for itself for an
// instant. It doesn't queue for it, since whoever comes after would wait as well:
// it tries for a few milliseconds at a time, for up to a minute. After an error
// those that are returned have been detached, and it can be called again. db may
// be a transaction, which then holds the lock until it ends.
func (s *Sink) DetachPartitions(ctx context.Context, db bun.IDB, before time.Time, opts DetachOptions) ([]Partition, error) {
	all, err := s.partitions(ctx, db)
	var done []Partition
	for _, p := range all {
		if p.Until.IsZero() || p.Until.After(before) {
			continue
		}
		if !opts.DryRun {
			if err = s.detach(ctx, db, p, opts.Drop); err != nil {
				break
			}
		}
		done = append(done, p)
	}
	if err != nil {
		return done, fmt.Errorf("sqlsink: detach partitions: %w", s.explain(err))
	}
	return done, nil
}

// partitioned reports whether the table is to have partitions in db.
func (s *Sink) partitioned(db bun.IDB) bool {
	return s.monthly && db.Dialect().Name() == dialect.PG
}

func (s *Sink) createMonthly(ctx context.Context, db bun.IDB) error {
	kind, err := s.kind(ctx, db)
	switch {
	case err != nil:
		return err
	case kind != "" && kind != partitionedKind:
		return fmt.Errorf("%w: run the migrations, which convert it", ErrNotPartitioned)
	}
	if err := s.execAll(ctx, db, s.table.CreateMonthly); err != nil {
		return err
	}
	_, err = s.addPartitions(ctx, db, monthsAhead)
	return err
}

// partitionedKind is PostgreSQL's letter for a table with partitions.
const partitionedKind = "p"

// kind is PostgreSQL's letter for the table, empty where there is none.
func (s *Sink) kind(ctx context.Context, db bun.IDB) (string, error) {
	var kinds []string
	err := db.NewRaw("SELECT relkind::text FROM pg_catalog.pg_class WHERE oid = to_regclass(?)", s.table.Quoted(db.Dialect())).Scan(ctx, &kinds)
	if err != nil || len(kinds) == 0 {
		return "", err
	}
	return kinds[0], nil
}

// beside is a table of another name in the table's schema.
func (s *Sink) beside(name string) eventrow.Table {
	return eventrow.Table{Schema: s.table.Schema, Name: name}
}

func (s *Sink) partitions(ctx context.Context, db bun.IDB) ([]Partition, error) {
	if db.Dialect().Name() != dialect.PG {
		return nil, fmt.Errorf("%w: that is for PostgreSQL", ErrNotPartitioned)
	}
	switch kind, err := s.kind(ctx, db); {
	case err != nil:
		return nil, err
	case kind == "":
		return nil, ErrNoTable
	case kind != partitionedKind:
		return nil, fmt.Errorf("%w: with sqlsink.Monthly the migrations convert it", ErrNotPartitioned)
	}
	// The bounds come as an expression, in the session's zone: PostgreSQL reads it.
	var rows []struct {
		Name       string
		FromBound  *time.Time
		UntilBound *time.Time
		Events     int64
		Bytes      int64
	}
	err := db.NewRaw(`SELECT c.relname AS name, substring(b.bound FROM 'FROM \(''([^'']+)''')::timestamptz AS from_bound,
	substring(b.bound FROM 'TO \(''([^'']+)''')::timestamptz AS until_bound,
	greatest(c.reltuples, 0)::bigint AS events, pg_catalog.pg_total_relation_size(c.oid) AS bytes
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid,
	LATERAL (SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound) AS b
WHERE i.inhparent = to_regclass(?) ORDER BY b.bound = 'DEFAULT', until_bound`, s.table.Quoted(db.Dialect())).Scan(ctx, &rows)
	if err != nil {
		return nil, err
	}
	all := make([]Partition, len(rows))
	for i, r := range rows {
		all[i] = Partition{Name: r.Name, Events: r.Events, Bytes: r.Bytes}
		if r.FromBound != nil {
			all[i].From = r.FromBound.UTC()
		}
		if r.UntilBound != nil {
			all[i].Until = r.UntilBound.UTC()
		}
	}
	return all, nil
}

func (s *Sink) addPartitions(ctx context.Context, db bun.IDB, ahead int) ([]Partition, error) {
	if ahead < 0 {
		return nil, errors.New("the number of months is negative")
	}
	var made []Partition
	all, err := s.partitions(ctx, db)
	if err != nil {
		return nil, err
	}
	month, _ := s.table.Month(time.Now())
	for range ahead + 1 {
		from, name := s.table.Month(month)
		month = from.AddDate(0, 1, 0)
		if covered(all, from) {
			continue
		}
		p := Partition{Name: name.Name, From: from, Until: month}
		added, err := s.add(ctx, db, p)
		if err != nil {
			return made, fmt.Errorf("partition %s: %w", p.Name, err)
		}
		if added {
			made = append(made, p)
		}
	}
	return made, nil
}

// covered reports whether a partition, other than the one for the rest, has a
// place for events of that time.
func covered(all []Partition, t time.Time) bool {
	for _, p := range all {
		if !p.Until.IsZero() && !t.Before(p.From) && t.Before(p.Until) {
			return true
		}
	}
	return false
}
