package oracle

import (
	"context"
	"fmt"
)

// createTables makes the tables of the models, the oracle's, and its triggers.
func (w *World) createTables(ctx context.Context) error {
	for _, t := range w.tables {
		q := w.plain.NewCreateTable().Model(t.model)
		if t.check != "" {
			q = q.ColumnExpr(t.check)
		}
		if _, err := w.plain.DB.ExecContext(ctx, w.sql.create(q, t)); err != nil {
			return fmt.Errorf("oracle: create table %s: %w", t.name, err)
		}
	}
	for _, s := range w.sql.setUp(w.tables) {
		if _, err := w.plain.DB.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("oracle: %s: %w", s, err)
		}
	}
	return nil
}

// clear empties the tables that the last program wrote to.
func (w *World) clear(ctx context.Context) error {
	for _, s := range w.sql.empty(w.used) {
		if _, err := w.plain.DB.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("oracle: clear: %w", err)
		}
	}
	return nil
}
