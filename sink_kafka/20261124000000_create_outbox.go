package kafkasink

import (
	"context"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

// registerCreateOutbox registers the migration that this file is named after:
// Bun reads time and comment from the file's name.
func registerCreateOutbox(ms *migrate.Migrations, s *Sink) {
	ms.MustRegister(
		func(ctx context.Context, db *bun.DB) error { return s.CreateTable(ctx, db) },
		func(ctx context.Context, db *bun.DB) error { return s.dropTable(ctx, db) },
	)
}
