package oracle

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/sqlstate"
)

// surprise says what is wrong with the outcome of a statement, or nothing.
func surprise(k statementKind, err error) string {
	var refused *bunaudit.UncapturableError
	var notRecorded *bunaudit.NotRecordedError
	switch {
	case errors.As(err, &refused):
		if k.refused || k.mayBe {
			return ""
		}
		return "should not be refused: " + err.Error()
	case err == nil && k.refused:
		return "should be refused, and was run"
	case err == nil:
		return ""
	case errors.As(err, &notRecorded):
		// The audit looks at new keys before the database does.
		if isDisturbance(err) || k.mayBe && strings.Contains(err.Error(), "NULL in its key column") {
			return ""
		}
		return "could not be recorded: " + err.Error()
	case isExpected(err):
		return ""
	}
	return "unexpected error: " + err.Error()
}

// isExpected reports whether an error is the database's own answer to a
// statement of the program, or comes of a disturbance.
func isExpected(err error) bool {
	return isDisturbance(err) || ownFault(err) || errors.Is(err, sql.ErrNoRows)
}

// isDisturbance reports whether an error comes of cancelled contexts, ended
// connections, or other clients.
func isDisturbance(err error) bool {
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, sql.ErrTxDone), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, sql.ErrConnDone), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &netErr),
		errors.Is(err, mysql.ErrInvalidConn):
		return true
	}
	// The server shuts down, lock wait, deadlock, interrupted, connection killed,
	// time-out of the statement.
	if slices.Contains([]uint16{1053, 1205, 1213, 1317, 1927, 1969}, mariadbNumber(err)) {
		return true
	}
	// Serialization failure, deadlock, ended by the administrator or in a crash,
	// not up yet, aborted transaction, idle for too long, cancelled, lock not
	// available.
	if slices.Contains([]string{"40001", "40P01", "57P01", "57P02", "57P03", "25P02", "25P03", "57014", "55P03"}, sqlstate.Of(err)) {
		return true
	}
	text := err.Error()
	for _, part := range []string{"SQLITE_BUSY", "database is locked", "interrupted", "broken pipe", "connection reset", "bad connection",
		"SQLITE_INTERRUPT", "sql: Rows are closed", "the database has ended the transaction",
		// MariaDB takes a trigger for faulty that it was just reading when the
		// statement was killed or timed out.
		"has an error in its body"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// ownFault reports whether the statement was wrong by itself.
func ownFault(err error) bool {
	if s := sqlstate.Of(err); s != "" {
		// Integrity constraint, data exception, no such column, ambiguous column.
		return strings.HasPrefix(s, "23") || strings.HasPrefix(s, "22") || s == "42703" || s == "3B001" || s == "21000"
	}
	if n := mariadbNumber(err); n != 0 {
		return slices.Contains(mariadbFaults(), n)
	}
	text := err.Error()
	return strings.Contains(text, "constraint failed") || strings.Contains(text, "bun: can't scan") || strings.Contains(text, "bun: empty SET clause") ||
		strings.Contains(text, "no such column: nonsense") || strings.Contains(text, "no such savepoint") || strings.Contains(text, "integer overflow") ||
		strings.Contains(text, "datatype mismatch") || strings.Contains(text, "no transaction is active")
}

// mariadbFaults are MariaDB's numbers of errors of a statement's own: of NULL,
// unknown columns, keys that are taken, numbers out of range, values of another
// type, savepoints that a deadlock has undone, columns without a default, divisions by zero, texts that
// are too long, generated keys that have run out, vetoes of triggers, and checks.
func mariadbFaults() []uint16 {
	return []uint16{1048, 1054, 1062, 1264, 1292, 1305, 1364, 1365, 1366, 1406, 1467, 1644, 1690, 4025}
}

// mariadbNumber is the number of an error of MariaDB's, or 0.
func mariadbNumber(err error) uint16 {
	var own *mysql.MySQLError
	if errors.As(err, &own) {
		return own.Number
	}
	return 0
}
