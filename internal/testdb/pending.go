package testdb

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pending is what doesn't support MariaDB yet: a test program, or a test of one.
// The list shrinks to nothing, and this file goes with it.
func pending() []string {
	return []string{
		"oracle.test", "value.test", "bunaudit.test TestRandomStatementsAgainstTriggers",
		"retrieval.test TestValuesComeBackAsTheyWentIn",
	}
}

// skipPending ends a test that doesn't support a database yet.
func skipPending(t testing.TB, backend string) {
	t.Helper()
	program := filepath.Base(os.Args[0])
	name, _, _ := strings.Cut(t.Name(), "/")
	if backend == MariaDB && (slices.Contains(pending(), program) || slices.Contains(pending(), program+" "+name)) {
		t.Skip("not supported on MariaDB yet: see internal/testdb/pending.go")
	}
}
