package judge

import (
	"math/rand"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sqlaudit/bun/internal/sqltext"
)

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// count is what a run saw; a judge that judged nothing proves nothing.
type count struct{ texts, valid, split, refused, several, more int }

func TestPostgreSQLParsesWhatSplitTakesApart(t *testing.T) {
	n := number("SQLTEXT_JUDGE", 20_000)
	g := &generator{Rand: rand.New(rand.NewSource(int64(number("SQLTEXT_SEED", 1))))}
	var c count
	reasons := refusals{}
	for range n {
		sql := g.text()
		if g.chance(50) {
			sql = g.mutate(sql)
		}
		c.texts++
		tree, err := pg.Parse(sql)
		if err != nil {
			continue // whatever sqltext makes of it, it changes nothing
		}
		c.valid++
		judgeTargets(t, sql, tree, &c)
		s, err := sqltext.Split(sqltext.PostgreSQL, sql)
		if err != nil {
			if len(tree.Stmts) == 1 && changes(tree.Stmts[0].Stmt) != nil {
				c.refused++
				reasons.add(t, err, sql)
			}
			continue
		}
		c.split++
		judgeSplit(t, sql, tree, s)
		if t.Failed() {
			t.Fatalf("in %q", sql)
		}
	}
	t.Logf("%+v", c)
	reasons.log(t)
	if c.split < n/5 || c.refused > c.split/20 {
		t.Errorf("too few statements taken apart: %+v", c)
	}
}

// changes returns the message of a statement that Split is for.
func changes(n *pg.Node) proto.Message {
	switch s := n.Node.(type) {
	case *pg.Node_InsertStmt:
		return s.InsertStmt
	case *pg.Node_UpdateStmt:
		return s.UpdateStmt
	case *pg.Node_DeleteStmt:
		return s.DeleteStmt
	case *pg.Node_MergeStmt:
		return s.MergeStmt
	case *pg.Node_TruncateStmt:
		return s.TruncateStmt
	}
	return nil
}

func judgeSplit(t *testing.T, sql string, tree *pg.ParseResult, s sqltext.Statement) {
	t.Helper()
	if len(tree.Stmts) != 1 {
		t.Errorf("%d statements", len(tree.Stmts))
		return
	}
	j := judge{t: t, sql: sql, s: s}
	switch stmt := tree.Stmts[0].Stmt.Node.(type) {
	case *pg.Node_InsertStmt:
		j.equal("verb", s.Verb, sqltext.Insert)
		j.insert(stmt.InsertStmt)
		j.with(stmt.InsertStmt.WithClause)
	case *pg.Node_UpdateStmt:
		u := stmt.UpdateStmt
		j.equal("verb", s.Verb, sqltext.Update)
		j.relation(u.Relation)
		j.assignments("SET", u.TargetList, s.Set, s.Assignments)
		j.where("WHERE", u.WhereClause, s.Where)
		j.from(u.FromClause)
		j.returning(u.ReturningList)
		j.with(u.WithClause)
	case *pg.Node_DeleteStmt:
		d := stmt.DeleteStmt
		j.equal("verb", s.Verb, sqltext.Delete)
		j.relation(d.Relation)
		j.where("WHERE", d.WhereClause, s.Where)
		j.from(d.UsingClause)
		j.returning(d.ReturningList)
		j.with(d.WithClause)
	case *pg.Node_MergeStmt:
		j.equal("verb", s.Verb, sqltext.Merge)
		j.relation(stmt.MergeStmt.Relation)
		j.returning(stmt.MergeStmt.ReturningList)
		j.with(stmt.MergeStmt.WithClause)
	case *pg.Node_TruncateStmt:
		j.equal("verb", s.Verb, sqltext.Truncate)
		j.relation(stmt.TruncateStmt.Relations[0].GetRangeVar())
		j.equal("several tables", s.MultiTable, len(stmt.TruncateStmt.Relations) > 1)
	default:
		t.Errorf("took apart a %T", stmt)
	}
	h := sqltext.Glance(sqltext.PostgreSQL, sql)
	if h.Verb != s.Verb || h.Target != s.Target {
		t.Errorf("Glance: %+v", h)
	}
}

type judge struct {
	t   *testing.T
	sql string
	s   sqltext.Statement
}

func (j *judge) equal(what string, got, want any) {
	j.t.Helper()
	if !reflect.DeepEqual(got, want) {
		j.t.Errorf("%s: got %+v, PostgreSQL has %+v", what, got, want)
	}
}

func (j *judge) relation(r *pg.RangeVar) {
	j.t.Helper()
	j.equal("target", j.s.Target, sqltext.Name{Schema: r.Schemaname, Table: r.Relname})
	j.equal("ONLY", j.s.Only, !r.Inh)
	alias := ""
	if !j.s.Alias.Empty() {
		names, err := sqltext.Names(sqltext.PostgreSQL, j.s.Alias.In(j.sql))
		if err != nil {
			j.t.Error(err)
			return
		}
		alias = names[0]
	}
	want := ""
	if r.Alias != nil {
		want = r.Alias.Aliasname
	}
	j.equal("alias", alias, want)
	again := j.parse("TABLE " + j.s.TargetText.In(j.sql)).GetSelectStmt().FromClause[0].GetRangeVar()
	j.equal("target as written", again.Schemaname+"."+again.Relname, r.Schemaname+"."+r.Relname)
}

// parse parses a statement that was made of a clause.
func (j *judge) parse(sql string) *pg.Node {
	tree, err := pg.Parse(sql)
	if err != nil || len(tree.Stmts) != 1 {
		j.t.Fatalf("made of a clause: %q: %v\nof %q", sql, err, j.sql)
	}
	return tree.Stmts[0].Stmt
}

// clause compares a clause with what PostgreSQL sees: parsed in a SELECT, field
// must be the only one that the clause fills.
func (j *judge) clause(what, prefix string, span sqltext.Span, want *pg.SelectStmt) {
	j.t.Helper()
	text := span.In(j.sql)
	if text == "" {
		prefix = ""
	}
	got := j.parse("SELECT " + prefix + text).GetSelectStmt()
	want.LimitOption, want.Op = got.LimitOption, pg.SetOperation_SETOP_NONE
	j.same(what, got, want)
}

func (j *judge) same(what string, got, want proto.Message) {
	j.t.Helper()
	got, want = placeless(got), placeless(want)
	if !proto.Equal(got, want) {
		j.t.Errorf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}

func (j *judge) where(what string, want *pg.Node, span sqltext.Span) {
	j.t.Helper()
	j.clause(what, "WHERE ", span, &pg.SelectStmt{WhereClause: want})
}

func (j *judge) from(want []*pg.Node) {
	j.t.Helper()
	j.clause("FROM", "FROM ", j.s.From, &pg.SelectStmt{FromClause: want})
}

func (j *judge) returning(want []*pg.Node) {
	j.t.Helper()
	j.clause("RETURNING", "", j.s.Returning, &pg.SelectStmt{TargetList: want})
	if len(want) > 0 {
		j.equal("RETURNING items", len(sqltext.SplitList(sqltext.PostgreSQL, j.s.Returning.In(j.sql))), len(want))
	}
}

func (j *judge) with(want *pg.WithClause) {
	j.t.Helper()
	if want == nil {
		j.equal("WITH", j.s.With.Empty(), true)
		return
	}
	got := j.parse(j.s.With.In(j.sql) + " SELECT").GetSelectStmt()
	j.same("WITH", got.WithClause, want)
	j.equal("RECURSIVE", j.s.Recursive, want.Recursive)
	if writes := len(written(want)) > 0; writes && !j.s.WithWrites {
		j.t.Error("WITH writes")
	}
}

func (j *judge) assignments(what string, want []*pg.Node, span sqltext.Span, list []sqltext.Assignment) {
	j.t.Helper()
	u := j.parse("UPDATE t SET " + span.In(j.sql)).GetUpdateStmt()
	j.same(what, u, &pg.UpdateStmt{Relation: u.Relation, TargetList: want})
	var names, wantNames []string
	for _, a := range list {
		names = append(names, a.Columns...)
		left, right := a.Left.In(j.sql), a.Expr.In(j.sql)
		one := j.parse("UPDATE t SET " + left + " = " + right).GetUpdateStmt()
		j.same(what+" item", one, &pg.UpdateStmt{Relation: u.Relation, TargetList: want[:len(a.Columns)]})
		want = want[len(a.Columns):]
	}
	for _, n := range u.TargetList {
		wantNames = append(wantNames, n.GetResTarget().Name)
	}
	j.equal(what+" columns", names, wantNames)
}

func (j *judge) insert(i *pg.InsertStmt) {
	j.t.Helper()
	j.relation(i.Relation)
	var names, want []string
	if !j.s.Columns.Empty() {
		var err error
		if names, err = sqltext.Names(sqltext.PostgreSQL, j.s.Columns.In(j.sql)); err != nil {
			j.t.Error(err)
		}
	}
	for _, n := range i.Cols {
		want = append(want, n.GetResTarget().Name)
	}
	j.equal("columns", names, want)
	j.equal("OVERRIDING", !j.s.Overriding.Empty(), i.Override != pg.OverridingKind_OVERRIDING_NOT_SET)
	if i.SelectStmt == nil {
		j.equal("source", j.s.SourceKind, sqltext.SourceDefault)
	} else {
		j.same("source", j.parse(j.s.Source.In(j.sql)).GetSelectStmt(), i.SelectStmt.GetSelectStmt())
	}
	if j.s.SourceKind == sqltext.SourceValues {
		j.equal("rows", len(sqltext.SplitList(sqltext.PostgreSQL, j.s.Rows.In(j.sql))), len(i.SelectStmt.GetSelectStmt().ValuesLists))
	}
	j.returning(i.ReturningList)
	if i.OnConflictClause == nil {
		j.equal("ON CONFLICT", len(j.s.Conflicts), 0)
		return
	}
	if len(j.s.Conflicts) != 1 {
		j.t.Errorf("ON CONFLICT missed")
		return
	}
	again := j.parse("INSERT INTO t DEFAULT VALUES " + j.s.OnConflict.In(j.sql)).GetInsertStmt()
	j.same("ON CONFLICT", again.OnConflictClause, i.OnConflictClause)
	c := j.s.Conflicts[0]
	kind := sqltext.DoNothing
	if i.OnConflictClause.Action == pg.OnConflictAction_ONCONFLICT_UPDATE {
		kind = sqltext.DoUpdate
		j.assignments("ON CONFLICT SET", i.OnConflictClause.TargetList, c.Set, c.Assignments)
	}
	j.equal("ON CONFLICT kind", c.Kind, kind)
	j.where("ON CONFLICT WHERE", i.OnConflictClause.WhereClause, c.Where)
	again = j.parse("INSERT INTO t DEFAULT VALUES ON CONFLICT " + c.Target.In(j.sql) + " DO NOTHING").GetInsertStmt()
	if i.OnConflictClause.Infer == nil {
		j.equal("ON CONFLICT target", c.Target.Empty(), true)
	} else {
		j.same("ON CONFLICT target", again.OnConflictClause.Infer, i.OnConflictClause.Infer)
	}
}

func judgeTargets(t *testing.T, sql string, tree *pg.ParseResult, c *count) {
	t.Helper()
	want := written(tree)
	names, certain := sqltext.Targets(sqltext.PostgreSQL, sql)
	executes := false
	forEach(tree.ProtoReflect(), func(m protoreflect.Message) bool {
		if _, ok := m.Interface().(*pg.ExecuteStmt); ok {
			executes = true
		}
		return true
	})
	if !certain && !executes {
		t.Errorf("Targets(%q) is uncertain", sql)
	}
	for _, n := range want {
		if certain && !slices.Contains(names, n) {
			t.Errorf("Targets(%q) = %v, PostgreSQL has %v", sql, names, want)
		}
	}
	if len(names) > len(want) {
		c.more++
		if c.more <= 5 {
			t.Logf("Targets(%q) = %v, PostgreSQL has %v only", sql, names, want)
		}
	}
	if len(tree.Stmts) > 1 {
		c.several++
	}
	h := sqltext.Glance(sqltext.PostgreSQL, sql)
	if h.Certain && (h.Several != (len(tree.Stmts) > 1) || len(want) > 1 || len(want) == 1 && (want[0] != h.Target || !h.Writes)) {
		t.Errorf("Glance(%q) = %+v, PostgreSQL has %v in %d statements", sql, h, want, len(tree.Stmts))
	}
	if !h.Writes && len(want) > 0 {
		t.Errorf("Glance(%q) = %+v sees no write, PostgreSQL has %v", sql, h, want)
	}
}
