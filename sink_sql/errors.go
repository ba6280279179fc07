package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sqlaudit/bun/internal/sqlstate"
)

// ErrNoTable means that the table of events is missing, or lacks a column that
// this version of the package needs. Tell it by errors.Is.
var ErrNoTable = errors.New("the table is missing or of another version")

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

// explain adds what to do about a missing table. The cause stays reachable by
// errors.As.
func (s *Sink) explain(err error) error {
	if err == nil || !isNoTable(err) {
		return err
	}
	return fmt.Errorf("%w (%s): create it with CreateTable or the migrations: %w", ErrNoTable, s.table, err)
}

// isLockTimeout reports whether PostgreSQL gave up waiting for a lock.
func isLockTimeout(err error) bool { return sqlstate.Of(err) == "55P03" }

// isNoTable reports whether an error of any driver says that something of the
// table is missing.
func isNoTable(err error) bool {
	code := sqlstate.Of(err)
	if code == "" {
		// SQLite has one code for every error in a statement's text, and MySQL's driver
		// has its codes in a field.
		text := err.Error()
		for _, known := range []string{
			"no such table", "has no column named", "no such column", "unknown database",
			"Error 1146 ", "Error 1054 ", "Error 1049 ", // MySQL: no such table, column, database
		} {
			if strings.Contains(text, known) {
				return true
			}
		}
		return false
	}
	switch code {
	case "42P01", "42703", "3F000": // undefined table, column, schema
		return true
	}
	return false
}
