package sqltext

// Verb is what a statement does. The order of the constants carries no meaning.
type Verb uint8

const (
	// Other is a statement that is none of the below, or none at all.
	Other  Verb = iota
	Select      // SELECT, VALUES, TABLE
	Insert
	Replace
	Update
	Delete
	Merge
	Truncate
	Copy // PostgreSQL
	Load // MySQL's LOAD DATA and LOAD XML
	Begin
	Commit
	Rollback
	RollbackTo // ROLLBACK TO SAVEPOINT: the transaction goes on
	Savepoint
	Release
	Explain // EXPLAIN, DESCRIBE; with ANALYZE it executes what it explains
	Prepare
	Execute
	Call // CALL and DO: code on the server
	Set
	Show
	DDL // CREATE, ALTER, DROP and their like
)

// String returns the verb's SQL word, or "OTHER".
func (v Verb) String() string {
	switch v {
	case Select:
		return "SELECT"
	case Insert:
		return "INSERT"
	case Replace:
		return "REPLACE"
	case Update:
		return "UPDATE"
	case Delete:
		return "DELETE"
	case Merge:
		return "MERGE"
	case Truncate:
		return "TRUNCATE"
	case Copy:
		return "COPY"
	case Load:
		return "LOAD"
	case Begin:
		return "BEGIN"
	case Commit:
		return "COMMIT"
	case Rollback:
		return "ROLLBACK"
	case RollbackTo:
		return "ROLLBACK TO"
	case Savepoint:
		return "SAVEPOINT"
	case Release:
		return "RELEASE"
	case Explain:
		return "EXPLAIN"
	case Prepare:
		return "PREPARE"
	case Execute:
		return "EXECUTE"
	case Call:
		return "CALL"
	case Set:
		return "SET"
	case Show:
		return "SHOW"
	case DDL:
		return "DDL"
	}
	return "OTHER"
}

// Writes says whether a statement with this verb changes rows of a table that it
// names. COPY depends on its direction and answers true.
func (v Verb) Writes() bool {
	switch v {
	case Insert, Replace, Update, Delete, Merge, Truncate, Copy, Load:
		return true
	}
	return false
}
