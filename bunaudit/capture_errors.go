package bunaudit

import (
	"context"
	"errors"
	"fmt"
)

// loadFailed sorts out an error of loadColumns. Where the database says it, or
// the table isn't there, it is the statement's own.
func (c *capture) loadFailed(ctx context.Context, err error) error {
	var own *statementError
	if errors.As(err, &own) {
		return own
	}
	err = c.notRecorded("", fmt.Errorf("read the table's columns: %w", err))
	if errors.Is(err, errNoTable) {
		return c.ownErrorOr(ctx, err)
	}
	return err
}

// ownErrorOr runs the statement for the error that it has without us, or
// returns err where it has none. The unit is to be rolled back.
func (c *capture) ownErrorOr(ctx context.Context, err error) error {
	if _, own := c.query(ctx, c.text); own != nil {
		return own
	}
	return err
}

// refused says why the statement can't be recorded, found out where it runs.
func (r *recorder) refused(reason string) error {
	return &UncapturableError{Table: r.plan.name, Op: r.stmt.Verb.String(), Reason: reason}
}

// failed sorts out an error of the statement as the audit has put it. One that
// may be about the audit's own part is had again from the statement as it is,
// where the transaction goes on.
func (c *capture) failed(ctx context.Context, err error) error {
	var own *statementError
	if !errors.As(err, &own) || c.registry.dialect.aborts() || !c.registry.dialect.misfit(err) {
		return err
	}
	c.forgetColumns()
	return c.ownErrorOr(ctx, c.notRecorded("", fmt.Errorf("run the statement: %w", own.err)))
}

// readFailed sorts out an error of the reading of the old images. It is the
// statement's own, such as a lock timeout or a bad condition, unless our
// columns are to blame: that can be found out where the transaction goes on.
func (c *capture) readFailed(ctx context.Context, err error) error {
	if c.registry.dialect.misfit(err) {
		c.forgetColumns()
		if !c.registry.dialect.aborts() {
			return c.ownErrorOr(ctx, c.notRecorded("", fmt.Errorf("read the rows before the change: %w", err)))
		}
	}
	return &statementError{err}
}
