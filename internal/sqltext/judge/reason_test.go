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

// refusals are the reasons for which Split takes no text apart.
type refusals map[string]*refusal

type refusal struct {
	n       int
	example string // the shortest text
}

// add counts a text with the error of Split.
func (r refusals) add(t *testing.T, err error, text string) {
	t.Helper()
	reason := reasonOf(t, err)
	if r[reason] == nil {
		r[reason] = &refusal{example: text}
	}
	r[reason].n++
	if len(text) < len(r[reason].example) {
		r[reason].example = text
	}
}

func (r refusals) log(t *testing.T) {
	t.Helper()
	for reason, of := range r {
		t.Logf("refused %d: %s, as in %q", of.n, reason, of.example)
	}
}
