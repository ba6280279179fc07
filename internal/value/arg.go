package value

import (
	"encoding/json"
	"reflect"

	"github.com/uptrace/bun/schema"
)

// Arg returns the Go value of a canonical JSON, of the type of the field, as an
// argument for a placeholder of Bun that is compared with the column. What the
// type can't hold is an error.
func Arg(f *schema.Field, raw json.RawMessage) (any, error) {
	dest := reflect.New(f.StructField.Type).Elem()
	if err := Decode(f, raw, dest); err != nil {
		return nil, err
	}
	return dest.Interface(), nil
}
