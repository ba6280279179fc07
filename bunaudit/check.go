package bunaudit

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// checkTables reads no row of every audited table, with the columns that a
// capture would read.
func (r *registry) checkTables(ctx context.Context) error {
	var errs []error
	for _, plans := range r.known.Load().names {
		for _, p := range plans {
			if p.model == nil {
				continue
			}
			if r.dialect == nil {
				return fmt.Errorf("bunaudit: the audit does not support the dialect %s yet", r.db.Dialect().Name())
			}
			if err := r.checkTable(ctx, p); err != nil {
				errs = append(errs, fmt.Errorf("bunaudit: check model %s: %w", p.model.Bun.TypeName, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (r *registry) checkTable(ctx context.Context, p *plan) error {
	name := string(p.model.Bun.SQLName)
	c, err := r.dialect.columns(ctx, &unit{db: r.db, conn: r.db.DB}, p, name)
	if err != nil {
		return err
	}
	b := append(c.appendList([]byte("SELECT "), name), " FROM "+name+" WHERE 1 = 0"...)
	rows, err := r.db.DB.QueryContext(ctx, string(b))
	if err != nil {
		return err
	}
	return errors.Join(rows.Err(), rows.Close())
}

// checkListed reports the models of Config.Models that aren't audited, and the
// audited ones that Bun has met since the hook was added, where Config.Models
// was to name them all: raw SQL on their tables has passed before.
func (r *registry) checkListed() error {
	if len(r.hook.cfg.Models) == 0 {
		return nil
	}
	var errs []error
	for _, m := range r.hook.cfg.Models {
		typ, _ := modelType(m) // checked by New
		if !r.plan(r.db.Table(typ)).audited() {
			errs = append(errs, fmt.Errorf("bunaudit: check model %s: Config.Models lists it, but it has no tag audit: nothing of it is recorded", typ.Name()))
		}
	}
	for name, plans := range r.known.Load().names {
		for _, p := range plans {
			if p.model != nil && !slices.Contains(r.first.names[name], p) {
				errs = append(errs, fmt.Errorf("bunaudit: check model %s: it is audited, but Config.Models doesn't list it: "+
					"raw SQL on the table %s would pass until the model's first use", p.model.Bun.TypeName, p.name))
			}
		}
	}
	return errors.Join(errs...)
}
