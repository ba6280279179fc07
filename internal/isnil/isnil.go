// Package isnil finds the nil that hides in an interface: a pointer that was
// declared and never set is not equal to nil there.
package isnil

import "reflect"

// Of reports whether v is nil, or holds a nil pointer or function. Nil slices
// and maps are values like others.
func Of(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	}
	return false
}
