package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/sqlstate"
)

// ErrNoTable means that the table of events is missing, or lacks a column that
// this version of the package needs. Tell it by errors.Is; the text says which,
// and what to do. The queries of package retrieval report it, too.
var ErrNoTable = eventrow.ErrNoTable

// withContext adds the error of a context that has ended to that of the driver:
// pgdriver reports a time-out of the network instead, and may be ahead of the
// context's own timer.
func withContext(ctx context.Context, err error) error {
	ended := ctx.Err()
	if deadline, ok := ctx.Deadline(); ok && ended == nil && !time.Now().Before(deadline) {
		ended = context.DeadlineExceeded
	}
	if err == nil || ended == nil || errors.Is(err, ended) {
		return err
	}
	return fmt.Errorf("%w: %w", ended, err)
}

// explain adds what to do about a table that is missing or lacks a column.
func (s *Sink) explain(err error) error { return s.table.Explain(err, "") }

// isLockTimeout reports whether PostgreSQL gave up waiting for a lock.
func isLockTimeout(err error) bool { return sqlstate.Of(err) == "55P03" }
