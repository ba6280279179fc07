package bunaudit

import (
	"strings"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// The reasons to record by separate statements, as [Stats] gives them.
const (
	bySetting      = "Config.SeparateStatements"
	byDegrade      = "Config.OnFailure lets changes through"
	bySink         = "the sink's events are no rows of the audited database"
	byHash         = "a column is recorded as a keyed hash"
	byRelation     = "the relation is no table, or has rules"
	byInheritance  = "other tables inherit from the table"
	byKey          = "no unique index guards the key"
	byID           = "Config.NewID makes no UUIDs"
	byJoin         = "an UPDATE that joins, before PostgreSQL 18 or with a trigger before it"
	byUpsert       = "an upsert of several rows, or of a partitioned table, before PostgreSQL 18"
	byKeyChange    = "an upsert that sets the key, before PostgreSQL 18"
	byMerge        = "a MERGE, before PostgreSQL 18"
	byReturning    = "its RETURNING clause"
	byVerb         = "its kind"
	byName         = "its text has a name that hides one of the audit's, or its table's"
	byNoRow        = "an upsert that came to no row at first"
	byError        = "it has failed, and the error was to be told apart"
	byUnknownTable = "the table's columns could not be read"
)

// cant says why a statement can't write its own events, or nothing.
func (p *inline) cant(c *capture) string {
	if p == nil {
		return byVerb
	}
	if p.never != "" {
		return p.never
	}
	s := &c.stmt
	if !s.ReturningWith.Empty() {
		return byReturning
	}
	if usesOurNames(c.text) {
		return byName
	}
	switch s.Verb {
	case sqltext.Insert:
		if !isRehearsed(*s) {
			return ""
		}
		if p.returnsOld {
			return c.cantSayOld()
		}
		return p.cantUpsert(c)
	case sqltext.Delete:
		return ""
	case sqltext.Update:
		switch {
		case !p.locksFirst():
			return c.cantSayOld()
		case c.shadowed():
			return byName
		case !s.From.Empty():
			return byJoin
		case p.inherited:
			return byInheritance
		case !p.uniqueKey:
			return byKey
		}
		return ""
	case sqltext.Merge:
		if p.returnsOld {
			return c.cantSayOld()
		}
		return byMerge
	}
	return byVerb
}

// cantSayOld: where the statement calls its table old or new, these words don't
// mean the images of a row.
func (c *capture) cantSayOld() string {
	for _, name := range []string{c.stmt.Target.Table, unquoted(c.stmt.Alias.In(c.text))} {
		if strings.EqualFold(name, "old") || strings.EqualFold(name, "new") {
			return byReturning
		}
	}
	return ""
}

// cantUpsert: an upsert can't lock the rows that it finds before it updates
// them. That of one row is guarded instead, see appendGuarded.
func (p *inline) cantUpsert(c *capture) string {
	s := &c.stmt
	switch {
	case upsertChangesIdentity(c.plan, c.text, *s):
		return byKeyChange
	case p.partitioned || len(s.Conflicts) != 1 || s.SourceKind != sqltext.SourceValues:
		return byUpsert
	case c.shadowed():
		return byName
	case p.inherited:
		return byInheritance
	case !p.uniqueKey:
		return byKey
	case len(sqltext.SplitList(c.registry.lexical, s.Rows.In(c.text))) != 1:
		return byUpsert
	}
	if c.wantRows {
		var ok bool
		if c.names, ok = p.plainColumns(s.Returning.In(c.text)); !ok {
			return byReturning
		}
	}
	return ""
}

func unquoted(name string) string {
	if len(name) > 1 && name[0] == '"' {
		return name[1 : len(name)-1]
	}
	return name
}
