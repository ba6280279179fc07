package sinktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
)

const insertEvent = "INSERT INTO e (event) VALUES (?)"

// insertAll writes the events one by one and stops at the first error.
func insertAll(ctx context.Context, on sink.Tx, events []sink.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := on.ExecContext(ctx, insertEvent, string(text)); err != nil {
			return err
		}
	}
	return nil
}

// underSavepoint makes write all or nothing.
func underSavepoint(ctx context.Context, tx sink.Tx, write func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT s"); err != nil {
		return err
	}
	err := write()
	if err == nil {
		_, err = tx.ExecContext(ctx, "RELEASE s")
	}
	if err != nil {
		_, _ = tx.ExecContext(ctx, "ROLLBACK TO s")
		_, _ = tx.ExecContext(ctx, "RELEASE s")
	}
	return err
}

// brokenTableSinks break the part of the contract that is about transactions.
func brokenTableSinks() map[string]struct {
	scenario string
	write    func(*testdb.DB) writeFunc
} {
	const (
		fault    = "a_failed_write_leaves_no_event_behind"
		rollback = "a_rollback_takes_the_events_with_it"
		order    = "order_is_kept_within_a_write_and_between_writes"
	)
	type broken = struct {
		scenario string
		write    func(*testdb.DB) writeFunc
	}
	return map[string]broken{
		"table sink that works": {"", func(*testdb.DB) writeFunc {
			return func(ctx context.Context, tx sink.Tx, events []sink.Event) error {
				return underSavepoint(ctx, tx, func() error { return insertAll(ctx, tx, events) })
			}
		}},
		"keeps the first half of a failed write": {fault, func(*testdb.DB) writeFunc { return insertAll }},
		"swallows an error": {fault, func(*testdb.DB) writeFunc {
			return func(ctx context.Context, tx sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				_ = underSavepoint(ctx, tx, func() error { return insertAll(ctx, tx, events) })
				return nil
			}
		}},
		"hides the cause": {fault, func(*testdb.DB) writeFunc {
			return func(ctx context.Context, tx sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := underSavepoint(ctx, tx, func() error { return insertAll(ctx, tx, events) }); err != nil {
					return errors.New("no")
				}
				return nil
			}
		}},
		"writes beside the transaction": {rollback, func(db *testdb.DB) writeFunc {
			return func(ctx context.Context, _ sink.Tx, events []sink.Event) error {
				own, err := db.DB.DB.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				if err := insertAll(ctx, own, events); err != nil {
					_ = own.Rollback()
					return err
				}
				return own.Commit()
			}
		}},
		"uses the transaction afterwards": {order, func(*testdb.DB) writeFunc {
			var last sink.Tx
			return func(ctx context.Context, tx sink.Tx, events []sink.Event) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if last != nil {
					_, _ = last.ExecContext(ctx, "SELECT 1")
				}
				last = tx
				return underSavepoint(ctx, tx, func() error { return insertAll(ctx, tx, events) })
			}
		}},
	}
}

func underscored(name string) string { return strings.ReplaceAll(name, " ", "_") }
