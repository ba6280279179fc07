package bunaudit

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sqlaudit/bun/internal/replay"
	"github.com/sqlaudit/bun/sink"
)

// captureOr captures the statement, or runs it plainly where the configuration
// lets it through.
func (c *capture) captureOr(ctx context.Context) (*outcome, error) {
	if c.opaque != nil {
		return c.runOpaque(ctx, c.opaque)
	}
	if !c.hook.cfg.OnFailure.degrades() {
		return c.orOpaque(ctx)
	}
	var out *outcome
	err := c.unit.try(ctx, func() (err error) {
		out, err = c.orOpaque(ctx)
		return err
	})
	var gap *NotRecordedError
	if !errors.As(err, &gap) || ctx.Err() != nil {
		return out, err
	}
	if out, err = c.runPlain(ctx); err != nil {
		return nil, err
	}
	out.gap = gap
	return out, nil
}

// orOpaque captures the statement; where it turns out that it can't be, and the
// configuration says Warn, it runs it plainly.
func (c *capture) orOpaque(ctx context.Context) (*outcome, error) {
	out, err := c.run(ctx)
	var reason *UncapturableError
	if errors.As(err, &reason) && c.hook.cfg.Uncapturable == Warn {
		return c.runOpaque(ctx, reason)
	}
	return out, err
}

// runOpaque runs the statement as it is, for an event that says no more than
// that it was run.
func (c *capture) runOpaque(ctx context.Context, reason *UncapturableError) (*outcome, error) {
	out, err := c.runPlain(ctx)
	if err != nil {
		return nil, err
	}
	out.whole, out.opaque = sink.Opaque, reason
	return out, nil
}

// runPlain runs the statement as it is.
func (c *capture) runPlain(ctx context.Context) (*outcome, error) {
	c.unit.changed = true
	if c.wantRows {
		rows, err := c.unit.conn.QueryContext(ctx, c.text)
		if err != nil {
			return nil, &statementError{err}
		}
		result, err := replay.Read(rows)
		if err != nil {
			return nil, &statementError{err}
		}
		return &outcome{returned: result}, nil
	}
	res, err := c.unit.conn.ExecContext(ctx, c.text)
	if err != nil {
		return nil, &statementError{err}
	}
	return executed(res), nil
}

// executed is what the driver says of a statement that was run for its effect.
func executed(res sql.Result) *outcome {
	out := &outcome{}
	out.affected, out.noAffected = res.RowsAffected()
	out.lastID, out.noLastID = res.LastInsertId()
	return out
}

// isRefusal reports whether err is the refusal of the statement itself, before
// it changed anything, and not of something that a sink did later.
func isRefusal(err error) bool {
	var refused *UncapturableError
	var later *NotRecordedError
	return errors.As(err, &refused) && !errors.As(err, &later)
}
