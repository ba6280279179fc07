package retrieval

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnknownModel is reported where the model of a query is not audited, or is
// no struct at all.
var ErrUnknownModel = errors.New("not an audited model")

// UnknownFieldError is reported where a query asks for a field that the model
// does not have or does not track.
type UnknownFieldError struct {
	Model string // the name of the Go type
	Field string // as the query gave it
	// Known are the columns that can be asked for.
	Known []string
}

// Error names the fields that can be asked for.
func (e *UnknownFieldError) Error() string {
	return fmt.Sprintf("retrieval: model %s tracks no field %s: it tracks %s", e.Model, e.Field, strings.Join(e.Known, ", "))
}

// KeyError is reported where a key is not of the shape that the keys of the
// model have.
type KeyError struct {
	// Name is the name of the model, or of the table where there is no model.
	Name string
	// Columns are those that a key consists of, in their order; nil where there
	// is no model to tell.
	Columns []string
	// Err says what is wrong.
	Err error
}

// Error says what a key has to look like.
func (e *KeyError) Error() string {
	if len(e.Columns) == 0 {
		return fmt.Sprintf("retrieval: key of %s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("retrieval: key of %s (%s): %v", e.Name, strings.Join(e.Columns, ", "), e.Err)
}

// Unwrap returns Err.
func (e *KeyError) Unwrap() error { return e.Err }

// wrap names the package in front of an error.
func wrap(err error) error { return fmt.Errorf("retrieval: %w", err) }
