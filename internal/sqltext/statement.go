package sqltext

// Statement is one statement taken apart. A Span is a part of the text; where a
// clause isn't there its span is the zero Span. Spans leave out the keyword that
// introduces the clause, unless it says otherwise.
type Statement struct {
	Verb     Verb
	VerbSpan Span

	// With runs from WITH to the end of the last common table expression.
	With       Span
	Recursive  bool
	WithWrites bool // one of them is, or may be, a data-modifying statement
	// WithNames are the names of these expressions, unquoted and folded; empty
	// where one can't be read.
	WithNames []string

	// Modifier is what stands between the verb and INTO, FROM or the table:
	// OR IGNORE, LOW_PRIORITY and the like.
	Modifier Span

	Target     Name
	TargetText Span // the name as written, without ONLY and *
	Only       bool // PostgreSQL: ONLY, without inheriting tables
	Alias      Span // the name as written, without AS
	Partition  Span // MySQL: PARTITION (…), with the keyword
	Hints      Span // MySQL's USE INDEX …, SQLite's INDEXED BY …, with keywords

	// MultiTable marks MySQL's UPDATE and DELETE over several tables, and a
	// TRUNCATE of several. Target is the first table that is named; ask Targets
	// for all. Tables spans the table references of an UPDATE or DELETE.
	MultiTable bool
	Tables     Span

	// Columns is what the parentheses after INSERT's table hold. An empty pair
	// gives an empty Span with a Start.
	Columns    Span
	Overriding Span // with the keyword
	SourceKind SourceKind
	Source     Span // with its keyword: VALUES …, SELECT …, DEFAULT VALUES, SET …
	Rows       Span // SourceValues: the rows after VALUES
	RowAlias   Span // MySQL: new in VALUES … AS new (a, b), with its columns
	OnConflict Span // all ON CONFLICT or ON DUPLICATE KEY clauses, with keywords
	Conflicts  []Conflict

	// Set and Assignments belong to UPDATE, and to MySQL's INSERT … SET.
	Set         Span
	Assignments []Assignment

	From      Span // FROM of UPDATE, USING of DELETE
	Where     Span
	OrderBy   Span
	Limit     Span
	Returning Span
	// ReturningWith is what the parentheses of PostgreSQL 18's RETURNING WITH
	// (OLD AS o, NEW AS n) hold.
	ReturningWith Span

	// Body is what MERGE and TRUNCATE have after their target and aren't taken
	// apart further: from USING up to RETURNING, or the options.
	Body Span

	// End is where the last token ends. Only semicolons, white space and
	// comments follow.
	End int
}

// SourceKind says where INSERT takes its rows from.
type SourceKind uint8

const (
	NoSource      SourceKind = iota
	SourceValues             // VALUES with plain rows and nothing after them
	SourceQuery              // SELECT, WITH, TABLE, or VALUES with ORDER BY, UNION …
	SourceDefault            // DEFAULT VALUES
	SourceSet                // MySQL: SET a = 1
)

// ConflictKind says what an INSERT does with a row that exists.
type ConflictKind uint8

const (
	NoConflict ConflictKind = iota
	DoNothing
	DoUpdate
	DuplicateKey // MySQL: ON DUPLICATE KEY UPDATE
)

// Conflict is one ON CONFLICT or ON DUPLICATE KEY clause.
type Conflict struct {
	Kind        ConflictKind
	Target      Span // (columns) WHERE … or ON CONSTRAINT name; as written
	Set         Span
	Assignments []Assignment
	Where       Span // of DO UPDATE
}

// Assignment is one item of a SET clause.
type Assignment struct {
	// Columns holds the unquoted, folded names: one, or several for
	// (a, b) = (…). PostgreSQL's a[1] = and a.field = are assignments to a. A
	// qualifier is left out.
	Columns []string
	// Left is the left side as written, Expr the right side.
	Left, Expr Span
}

// Split takes apart one INSERT, REPLACE, UPDATE, DELETE, MERGE or TRUNCATE. The
// error is an [*Error]; there is no partial answer.
func Split(d Dialect, sql string) (Statement, error) {
	var p parser
	p.d, p.sql = d, sql
	var s Statement
	p.statement(&s)
	if p.err != nil {
		return Statement{}, p.err
	}
	return s, nil
}

func (p *parser) statement(s *Statement) {
	p.refuseNUL()
	p.advance()
	for p.tok.ch() == ';' {
		p.advance()
	}
	if p.is(kwWith) {
		p.with(s)
	}
	s.VerbSpan = Span{p.tok.start, p.tok.end}
	switch kw := p.tok.kw; {
	case kw == kwInsert:
		s.Verb = Insert
		p.insert(s)
	case kw == kwReplace && p.d != PostgreSQL:
		s.Verb = Replace
		p.insert(s)
	case kw == kwUpdate:
		s.Verb = Update
		p.update(s)
	case kw == kwDelete:
		s.Verb = Delete
		p.delete(s)
	case kw == kwMerge && p.d == PostgreSQL:
		s.Verb = Merge
		p.merge(s)
	case kw == kwTruncate && p.d != SQLite:
		s.Verb = Truncate
		p.truncate(s)
	default:
		p.fail(p.tok.start, "no statement that Split takes apart")
	}
	if p.err != nil {
		return
	}
	if !p.atEnd() {
		p.fail(p.tok.start, "text out of place")
		return
	}
	s.End = p.prev.end
	for p.tok.ch() == ';' {
		p.advance()
	}
	if p.tok.kind != kindEnd {
		p.fail(p.tok.start, "several statements")
	}
}
