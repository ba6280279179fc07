package sqlsink

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

// registerCreateEvents registers the migration that this file is named after:
// Bun reads time and comment from the file's name.
func registerCreateEvents(ms *migrate.Migrations, s *Sink) {
	ms.MustRegister(
		func(ctx context.Context, db *bun.DB) error { return s.CreateTable(ctx, db) },
		func(ctx context.Context, db *bun.DB) error {
			if err := s.execAll(ctx, db, s.table.Drop); err != nil {
				return fmt.Errorf("sqlsink: drop table: %w", err)
			}
			return nil
		},
	)
}
