package bunaudit

import "github.com/sqlaudit/bun/internal/sqltext"

// tableName is the table as the statement names it, without ONLY or alias, and
// with its schema where it has to be said, see shadow.go.
func (c *capture) tableName() string {
	if c.schema != "" {
		return string(appendName(nil, sqltext.Name{Schema: c.schema, Table: c.stmt.Target.Table}, c.registry.dialect))
	}
	return c.stmt.TargetText.In(c.text)
}

// relation is the table's name without what the statement may have between its
// parts: PostgreSQL's to_regclass takes no comments.
func (c *capture) relation() string {
	return string(appendName(nil, c.stmt.Target, c.registry.dialect))
}

func appendName(b []byte, name sqltext.Name, d database) []byte {
	if name.Schema != "" {
		b = append(d.quote(b, name.Schema), '.')
	}
	return d.quote(b, name.Table)
}

// target is the table with its alias, as a FROM item.
func (c *capture) target() string {
	s := c.tableName()
	if c.stmt.Only {
		s = "ONLY " + s
	}
	if !c.stmt.Alias.Empty() {
		s += " AS " + c.stmt.Alias.In(c.text)
	}
	return s
}

// qualifier is what the statement calls the table in front of a column.
func (c *capture) qualifier() string {
	if !c.stmt.Alias.Empty() {
		return c.stmt.Alias.In(c.text)
	}
	return string(c.registry.dialect.quote(nil, c.stmt.Target.Table))
}

// statement is the statement with our columns in its RETURNING clause.
func (c *capture) statement() string {
	b := make([]byte, 0, len(c.text)+512)
	b = append(b, c.text[:c.stmt.End]...)
	return string(c.appendReturning(b))
}

// appendWith begins a statement with the common table expressions of its own, so
// that a further one can follow.
func (c *capture) appendWith(b []byte) []byte {
	if c.stmt.With.Empty() {
		return append(b, "WITH "...)
	}
	return append(append(b, c.stmt.With.In(c.text)...), "\n, "...)
}

// appendReturningAnd goes on after a statement so that a further item of its
// RETURNING clause can follow.
func (c *capture) appendReturningAnd(b []byte) []byte {
	// On a line of its own: what stands before may end in a comment.
	if c.stmt.Returning.Empty() {
		return append(b, "\nRETURNING "...)
	}
	return append(b, "\n, "...)
}

func (c *capture) appendReturning(b []byte) []byte {
	b = c.appendReturningAnd(b)
	qualifier := c.registry.dialect.inReturning(c.qualifier())
	b = c.columns.appendList(b, qualifier)
	if c.returnsFate() {
		b = append(append(b, ", "...), c.fate()...)
	}
	return b
}

// fate is the expression that says what became of a row, where the database can.
func (c *capture) fate() string {
	if !isRehearsed(c.stmt) {
		return ""
	}
	return c.registry.dialect.fate(c.stmt.Verb, c.qualifier())
}

// returnsFate reports whether our columns in the RETURNING clause end with fate.
func (c *capture) returnsFate() bool { return c.fate() != "" && !c.readsFate() }

// readsFate reports whether fate has to be selected after the statement.
func (c *capture) readsFate() bool {
	return c.columns.relation == partitioned && c.stmt.Verb == sqltext.Insert
}

// selectByIdentity selects and locks the rows of these identities.
func (c *capture) selectByIdentity(rows []identity) string {
	d, qualifier := c.registry.dialect, c.qualifier()
	b := append(c.columns.appendList([]byte("SELECT "), qualifier), " FROM "+c.target()+" WHERE "...)
	b = d.in(b, c.columns.identityNames(qualifier), rows)
	return string(append(b, d.lock(qualifier, false)...))
}

// selectFate selects the identities of these rows, and what became of them.
func (c *capture) selectFate(rows []located) string {
	d, qualifier := c.registry.dialect, c.qualifier()
	ids := make([]identity, len(rows))
	for i, row := range rows {
		ids[i] = row.identity
	}
	b := []byte("SELECT ")
	for _, col := range c.columns.identity {
		b = append(col.expr(b, qualified(qualifier, col.name)), ", "...)
	}
	b = append(b, c.fate()+" FROM "+c.target()+" WHERE "...)
	return string(d.in(b, c.columns.identityNames(qualifier), ids))
}

func (c *capture) selectOld() string {
	b := make([]byte, 0, len(c.text)+512)
	if !c.stmt.With.Empty() {
		b = append(append(b, c.stmt.With.In(c.text)...), '\n')
	}
	b = append(b, "SELECT "...)
	b = c.columns.appendList(b, c.qualifier())
	b = c.appendNewIdentity(b)
	b = append(append(b, " FROM "...), c.target()...)
	if !c.stmt.From.Empty() {
		b = append(append(b, ", "...), c.stmt.From.In(c.text)...)
	}
	if !c.stmt.Where.Empty() {
		b = append(append(b, "\nWHERE "...), c.stmt.Where.In(c.text)...)
	}
	b = append(c.appendOrder(b), '\n')
	return string(append(b, c.registry.dialect.lock(c.qualifier(), changesIdentity(c.plan, c.stmt))...))
}

// appendOrder appends the order and the limit of an UPDATE, where it has them.
func (c *capture) appendOrder(b []byte) []byte {
	if !c.stmt.OrderBy.Empty() {
		b = append(append(b, "\nORDER BY "...), c.stmt.OrderBy.In(c.text)...)
	}
	if !c.stmt.Limit.Empty() {
		b = append(append(b, "\nLIMIT "...), c.stmt.Limit.In(c.text)...)
	}
	return b
}

// restrictedUpdate is the update of exactly those rows: the condition isn't
// evaluated a second time, when it might hold for others. Where it joins other
// tables it is needed for the join, and evaluated on the rows that were locked.
func (c *capture) restrictedUpdate(rows []identity) string {
	d := c.registry.dialect
	b := make([]byte, 0, len(c.text)+512)
	end := c.stmt.Set.End
	if !c.stmt.From.Empty() {
		end = c.stmt.From.End
	}
	b = append(append(b, c.text[:end]...), "\nWHERE "...)
	if !c.stmt.From.Empty() && !c.stmt.Where.Empty() {
		b = append(append(append(b, '('), c.stmt.Where.In(c.text)...), "\n) AND "...)
	}
	b = d.in(b, c.columns.identityNames(c.qualifier()), rows)
	if !c.stmt.Returning.Empty() {
		b = append(append(b, "\nRETURNING "...), c.stmt.Returning.In(c.text)...)
	}
	return string(c.appendReturning(b))
}
