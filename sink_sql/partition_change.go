package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// add makes a partition, and reports whether it wasn't there. It is made as a
// table and attached, since to create it as a partition would lock out all reads.
func (s *Sink) add(ctx context.Context, db bun.IDB, p Partition) (added bool, err error) {
	part := s.beside(p.Name)
	from, until := eventrow.NewTime(p.From), eventrow.NewTime(p.Until)
	err = patiently(ctx, db, func(ctx context.Context, tx bun.Tx) error {
		added = false
		// One program at a time, and not while another converts the table.
		if err := eventrow.Lock(ctx, tx); err != nil {
			return err
		}
		all, err := s.partitions(ctx, tx)
		if err != nil || covered(all, p.From) {
			return err
		}
		if err := exec(ctx, tx, "CREATE TABLE ? (LIKE ? INCLUDING ALL EXCLUDING IDENTITY)", part.Expr(), s.table.Expr()); err != nil {
			return err
		}
		// A write that has chosen the other partition, and waits for it, fails when
		// that month has become another's: so writes wait before they choose.
		if err := exec(ctx, tx, "LOCK TABLE ? IN SHARE ROW EXCLUSIVE MODE", s.table.Expr()); err != nil {
			return err
		}
		if hasDefault(all) {
			err = exec(ctx, tx, `WITH moved AS (DELETE FROM ? WHERE "time" >= ? AND "time" < ? RETURNING *) INSERT INTO ? SELECT * FROM moved`,
				s.table.OtherMonths().Expr(), from, until, part.Expr())
			if err != nil {
				return err
			}
		}
		added = true
		return exec(ctx, tx, "ALTER TABLE ? ATTACH PARTITION ? FOR VALUES FROM (?) TO (?)", s.table.Expr(), part.Expr(), from, until)
	})
	return added, err
}

func hasDefault(all []Partition) bool {
	for _, p := range all {
		if p.From.IsZero() && p.Until.IsZero() {
			return true
		}
	}
	return false
}

func (s *Sink) detach(ctx context.Context, db bun.IDB, p Partition, drop bool) error {
	part := s.beside(p.Name)
	err := patiently(ctx, db, func(ctx context.Context, tx bun.Tx) error {
		// Not CONCURRENTLY: PostgreSQL has no such thing where there is a default
		// partition.
		if err := exec(ctx, tx, "ALTER TABLE ? DETACH PARTITION ?", s.table.Expr(), part.Expr()); err != nil || !drop {
			return err
		}
		return exec(ctx, tx, "DROP TABLE ?", part.Expr())
	})
	if err != nil {
		return fmt.Errorf("partition %s: %w", p.Name, err)
	}
	return nil
}

// patience is how long one attempt waits for a lock, during which others wait
// behind it, and attempts how many there are, half a second apart.
const (
	patience = "50ms"
	attempts = 120
	pause    = 500 * time.Millisecond
)

// patiently runs fn in a transaction that gives up where it would wait for a lock
// for long, and tries again. A transaction of the caller's keeps its own
// lock_timeout.
func patiently(ctx context.Context, db bun.IDB, fn func(context.Context, bun.Tx) error) error {
	for n := 1; ; n++ {
		err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			var own string
			if err := tx.NewRaw("SELECT current_setting('lock_timeout')").Scan(ctx, &own); err != nil {
				return err
			}
			if err := exec(ctx, tx, "SET LOCAL lock_timeout = ?", patience); err != nil {
				return err
			}
			if err := fn(ctx, tx); err != nil {
				return err
			}
			return exec(ctx, tx, "SET LOCAL lock_timeout = ?", own)
		})
		if err == nil || n == attempts || !isLockTimeout(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

func exec(ctx context.Context, db bun.IDB, query string, args ...any) error {
	_, err := db.NewRaw(query, args...).Exec(ctx)
	return err
}
