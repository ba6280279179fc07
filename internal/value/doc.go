// Package value holds the fixed rules by which a value in a database becomes
// JSON in an event, and becomes a Go value again.
//
// The rules are written down in docs/event-format.md; they don't depend on the
// database or on how a change was captured. Their result is called canonical:
// one value has one JSON text. There are three ways to it:
//
//   - [AppendPostgresExpr] appends an SQL expression with which PostgreSQL itself
//     makes the JSON of a column, with what [LoadPostgresTypes] has read from the
//     catalog;
//   - [AppendMySQLExpr] appends one with which MariaDB prints a column alike in every
//     session, and [EncodeMySQL] makes the JSON of that, with the types that
//     [LoadMySQLTypes] has read and the [Kind] that [KindOf] reads from the model;
//   - [Encode] makes it from what database/sql delivers, for a database that does
//     not know the types of its values (SQLite), with the Kind.
//
// [Forms] makes it from a Go value that a user gives as a key or a filter, in each
// form that it may have where the model doesn't say the column's type, and
// [FormsOfAny] does so where there is no model. [Decode] turns it into the Go type of
// a model's field with Bun's own scanner.
//
// # Limits
//
// What PostgreSQL prints by a setting of the session is recorded as it is
// printed: intervals (IntervalStyle), composite values, multiranges and arrays of
// ranges with times in them (DateStyle, TimeZone), and floats where
// extra_float_digits is below 1. A value of type json that jsonb can't hold can't
// be recorded. SQL's NULL and JSON's null are the same in an event.
package value
