package testdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// elsewhere says why a test program, or a test of one, that runs on each database
// leaves out MariaDB.
func elsewhere() map[string]string {
	return map[string]string{
		"value.test": "its models have arrays, infinities and other types that MariaDB lacks: TestTypesOfMariaDB has those that there are",
	}
}

// skipElsewhere ends a test that MariaDB is left out of.
func skipElsewhere(t testing.TB, backend string) {
	t.Helper()
	if backend != MariaDB {
		return
	}
	program := filepath.Base(os.Args[0])
	name, _, _ := strings.Cut(t.Name(), "/")
	for _, test := range []string{program, program + " " + name} {
		if reason, ok := elsewhere()[test]; ok {
			t.Skip("not on MariaDB: " + reason)
		}
	}
}
