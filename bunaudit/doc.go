// Package bunaudit records every change that a Go service makes through Bun to
// the models that it tags.
//
// # Use
//
// Add the hook to the [bun.DB], and the option audit to the tag of a model:
//
//	db.AddQueryHook(bunaudit.New(bunaudit.Config{
//		Sink:  sqlsink.New(),
//		Actor: currentUser,
//	}))
//
//	type Customer struct {
//		bun.BaseModel `bun:"table:customers,audit"` // every column
//		ID            int64  `bun:",pk,autoincrement"`
//		Name          string
//		Email         string `bun:",audit:redact"` // that it changed, not to what
//		Photo         []byte `bun:",audit:-"`      // not at all
//	}
//
// Make the hook before Bun meets the models, in RegisterModel or a query: it
// warns of the tags, which it doesn't know, until New has told it not to.
//
// The tags are:
//
//   - audit on bun.BaseModel tracks every column, on a field that column;
//   - audit:- leaves a column out;
//   - audit:redact records that a column changed, without values;
//   - audit:hash records keyed hashes of the values, see [Config.HashKey];
//   - audit_label:Name on bun.BaseModel names the model in events, the default
//     is the name of the Go type;
//   - audit_key on one or more fields makes them the key that events carry
//     instead of the primary key, and is the only way for a model without one;
//   - audit_was:surname says that the column was called surname before, so that
//     retrieval reads its events from then. It may be given more than once.
//
// What belongs to one request travels in its context: [WithActor],
// [WithReason], [WithMeta]. [Skip] is the way to write without a record.
// A model that embeds [Model] can't be written through a [bun.DB] that has no
// audit hook.
//
// # Guarantees
//
// An event and its change stand or fall together: the event is written in the
// transaction of the change, and a statement that can't be recorded fails with
// a [*NotRecordedError] and changes nothing. A statement on an audited table
// that the hook can't take apart with certainty is refused with an
// [*UncapturableError]. Old and new values are what the database held before
// and after.
//
// # Limits
//
// A hook sees what goes through Bun. It does not see statements on the *sql.DB
// behind it, prepared statements, COPY, or what triggers and cascades do inside
// the database. docs/guarantees.md has the whole list.
package bunaudit
