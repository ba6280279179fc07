// Package live reads the rows of an audited table as they are now, in the form
// that events have.
//
//	t, err := live.Load(ctx, db, m)          // how to read the table's columns
//	page, err := t.Page(ctx, db, nil, 500)   // rows in the order of their identity
//	rows, err := t.ByKeys(ctx, db, keys, "") // some rows
//
// Values are canonical, see package value, and not masked: what may be shown of
// them is the caller's business.
//
// # Limits
//
// A row is found by its key as Bun's WherePK would find it. On SQLite, where
// one value can be stored in several forms, that is the form that Bun writes.
package live
