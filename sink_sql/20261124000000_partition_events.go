package sqlsink

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

// registerPartitionEvents registers the migration that this file is named after.
func registerPartitionEvents(ms *migrate.Migrations, s *Sink) {
	ms.MustRegister(
		func(ctx context.Context, db *bun.DB) error {
			if !s.partitioned(db) {
				return nil
			}
			if err := s.convert(ctx, db); err != nil {
				return fmt.Errorf("sqlsink: partition table: %w", err)
			}
			return nil
		},
		func(context.Context, *bun.DB) error { return nil }, // a table with partitions serves either way
	)
}
