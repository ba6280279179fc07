package judge

import (
	"errors"
	"testing"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// reasonOf is why Split can't take a text apart.
func reasonOf(t *testing.T, err error) string {
	t.Helper()
	var e *sqltext.Error
	if !errors.As(err, &e) {
		t.Fatalf("Split failed with a %T", err)
	}
	return e.Reason
}
