package bunaudit

import (
	"context"
	"errors"
)

type nestedKey struct{}

// deepest is how many events may be due to one another: a sink may write to an
// audited table, whose event its Write is then called with in turn.
const deepest = 4

var errEndless = errors.New("the sink writes to audited tables for the events of what it writes, without end: " +
	"the table of events itself must not be audited")

// nested returns the context of a sink's Write, which counts how deep it is.
func nested(ctx context.Context) (context.Context, error) {
	depth, _ := ctx.Value(nestedKey{}).(int)
	if depth == deepest {
		return nil, errEndless
	}
	return context.WithValue(ctx, nestedKey{}, depth+1), nil
}
