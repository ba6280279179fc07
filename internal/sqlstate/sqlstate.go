// Package sqlstate reads PostgreSQL's error codes, whichever driver has met the
// error, without importing the drivers.
package sqlstate

import "errors"

// Of returns the SQLSTATE of an error of pgdriver, pgx or pq that err is or wraps,
// empty where there is none.
func Of(err error) string {
	var pgx interface{ SQLState() string }
	if errors.As(err, &pgx) {
		return pgx.SQLState()
	}
	var pgdriver interface{ Field(k byte) string }
	if errors.As(err, &pgdriver) {
		return pgdriver.Field('C')
	}
	return ""
}
