package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlaudit/bun/internal/sqlstate"
)

// ErrNoTable means that the table of events is missing, or lacks a column that
// this version of the package needs. Tell it by errors.Is; the text says which,
// and what to do.
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

// explain adds what to do about a table that is missing or lacks a column. The
// cause, which names it, stays reachable by errors.As.
func (s *Sink) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case noColumn.saidBy(err):
		return fmt.Errorf("%w (%s): it lacks a column, which CreateTable doesn't add: run the migrations: %w", ErrNoTable, s.table, err)
	case noTable.saidBy(err):
		return fmt.Errorf("%w (%s): create it with CreateTable or the migrations: %w", ErrNoTable, s.table, err)
	}
	return err
}

// isLockTimeout reports whether PostgreSQL gave up waiting for a lock.
func isLockTimeout(err error) bool { return sqlstate.Of(err) == "55P03" }

// What the databases say where something is missing: PostgreSQL by a code,
// SQLite, which has one code for every error in a statement's text, in words, and
// MySQL's driver, which has its codes in a field, with the code among the words.
var (
	noTable  = missing{codes: []string{"42P01", "3F000"}, words: []string{"no such table", "unknown database", "Error 1146 ", "Error 1049 "}}
	noColumn = missing{codes: []string{"42703"}, words: []string{"has no column named", "no such column", "Error 1054 "}}
)

type missing struct{ codes, words []string }

// saidBy reports whether that is what an error of any driver says.
func (what missing) saidBy(err error) bool {
	if code := sqlstate.Of(err); code != "" {
		return slices.Contains(what.codes, code)
	}
	return slices.ContainsFunc(what.words, func(words string) bool { return strings.Contains(err.Error(), words) })
}
