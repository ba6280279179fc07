package value_test

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
)

func compactTo(w io.Writer, src []byte) error {
	var buf bytes.Buffer
	if err := json.Compact(&buf, src); err != nil {
		return err
	}
	_, err := buf.WriteTo(w)
	return err
}

type status string

// level is an enum that is stored by its name.
type level int

func (l level) Value() (driver.Value, error) { return [...]string{"low", "high"}[l], nil }

func (l *level) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		b, isBytes := src.([]byte)
		if !isBytes {
			return fmt.Errorf("level: got %T", src)
		}
		s = string(b)
	}
	*l = level(map[string]int{"low": 0, "high": 1}[s])
	return nil
}

// dec is a decimal by its text, as the decimal packages have it.
type dec struct{ s string }

func (d dec) Value() (driver.Value, error) { return d.s, nil }

func (d *dec) Scan(src any) error {
	switch v := src.(type) {
	case string:
		d.s = v
	case []byte:
		d.s = string(v)
	case int64, float64:
		d.s = fmt.Sprint(v)
	default:
		return fmt.Errorf("dec: got %T", src)
	}
	return nil
}

// tag scans nothing but bytes.
type tag struct{ b string }

func (x tag) Value() (driver.Value, error) { return x.b, nil }

func (x *tag) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok {
		s, isString := src.(string)
		if !isString || s == "" {
			return fmt.Errorf("tag: got %T", src)
		}
		b = []byte(s)
	}
	x.b = string(b)
	return nil
}

// id16 is a UUID as the uuid packages have it.
type id16 [16]byte

func (u id16) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
func (u id16) Value() (driver.Value, error) { return u.String(), nil }

func (u *id16) Scan(src any) error {
	var s string
	switch v := src.(type) {
	case string:
		s = v
	case []byte:
		s = string(v)
	default:
		return fmt.Errorf("id16: got %T", src)
	}
	var a, b, c, d, e []byte
	if _, err := fmt.Sscanf(s, "%8x-%4x-%4x-%4x-%12x", &a, &b, &c, &d, &e); err != nil {
		return err
	}
	copy(u[:], bytes.Join([][]byte{a, b, c, d, e}, nil))
	return nil
}

type point struct {
	X int     `json:"x"`
	Y float64 `json:"y,omitempty"`
	S string  `json:"string"`
}
