package eventrow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlaudit/bun/internal/sqlstate"
)

// ErrNoTable is sqlsink's.
var ErrNoTable = errors.New("the table is missing or of another version")

// Explain adds to an error of a statement on the table alone what to do where the
// table is missing, for which there may be another way, or lacks a column. The cause,
// which names it, stays reachable by errors.As.
func (t Table) Explain(err error, orElse string) error {
	switch {
	case err == nil:
		return nil
	case noColumn.saidBy(err):
		return fmt.Errorf("%w (%s): it lacks a column, which CreateTable doesn't add: run the migrations: %w", ErrNoTable, t, err)
	case noTable.saidBy(err):
		return fmt.Errorf("%w (%s): create it with CreateTable or the migrations%s: %w", ErrNoTable, t, orElse, err)
	}
	return err
}

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
