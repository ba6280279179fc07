package bunaudit

import (
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// verdict is what the hook makes of a statement.
type verdict struct {
	table   string // the audited table it writes to; empty: none, let it pass
	verb    sqltext.Verb
	plan    *plan
	plans   []*plan // of all audited tables that it may write to, plan first
	guarded bool    // its model put a guard on it
	err     error   // why it must not run
}

func (v *verdict) refuse(reason string) { v.err = v.refused(reason) }

func (v *verdict) refused(reason string) error {
	e := &UncapturableError{Table: v.table, Reason: reason}
	if v.verb != sqltext.Other {
		e.Op = v.verb.String()
	}
	return e
}

// judge says whether a statement writes to an audited table, and to which. It
// is called for every statement of the program.
func (r *registry) judge(event *bun.QueryEvent) verdict {
	var v verdict
	var own *plan // of the builder's model
	if event.IQuery != nil {
		if m, ok := event.IQuery.GetModel().(bun.TableModel); ok && m != nil {
			own = r.plan(m.Table())
			v.guarded = own.guarded
		}
	}
	head := sqltext.Glance(r.lexical, event.Query)
	if !head.Writes && head.Certain && !head.Several && head.Verb != sqltext.Call {
		return v
	}
	v.verb = head.Verb
	if head.Certain && !head.Several && head.Verb != sqltext.Call {
		r.judgeTarget(&v, head.Target, own)
		return v
	}
	r.judgeText(&v, head, event.Query, own)
	return v
}

const sharedTable = "several audited models share the table, and the statement has none of them as its model"

// judgeTarget judges a statement that writes to one table.
func (r *registry) judgeTarget(v *verdict, target sqltext.Name, own *plan) {
	plans := r.byName(target)
	if own != nil && own.audited() && (len(plans) == 0 || slices.Contains(plans, own)) {
		plans = []*plan{own} // also where ModelTableExpr names a table that no model has
	}
	if len(plans) == 0 {
		return
	}
	r.blame(v, plans)
	switch {
	case v.err != nil:
	case len(plans) > 1:
		v.refuse(sharedTable)
	case r.dialect == nil:
		v.refuse(fmt.Sprintf("the audit does not support the dialect %s yet", r.db.Dialect().Name()))
	}
}

// blame says that the statement writes to the tables of these models, or may.
func (r *registry) blame(v *verdict, plans []*plan) {
	v.plan, v.table, v.plans = plans[0], plans[0].name, plans
	for _, p := range plans {
		if p.err != nil {
			v.err = p.err
		}
	}
}

// judgeText judges a statement that Glance can't place: with a part that
// writes, of several statements, or not understood.
func (r *registry) judgeText(v *verdict, head sqltext.Head, text string, own *plan) {
	targets, certain := sqltext.Targets(r.lexical, text)
	var audited []*plan
	for _, t := range targets {
		audited = append(audited, r.byName(t)...)
	}
	code := head.Verb == sqltext.Call // DO and CALL, which nobody looks into
	if !certain || code {
		audited = r.mentioned(text)
	}
	if own != nil && own.audited() && (!certain || len(targets) > 0) && !slices.Contains(audited, own) {
		audited = append(audited, own)
	}
	if len(audited) == 0 {
		return
	}
	r.blame(v, audited)
	switch {
	case v.err != nil:
	case certain && !head.Several && head.Verb == sqltext.Truncate:
		r.judgeTruncate(v, targets)
	case !certain:
		v.refuse("the text can't be taken apart with certainty, and it may write to that table")
	case code:
		v.refuse("it runs code on the server that names the table")
	case head.Several:
		v.refuse("the text has several statements: run them one by one")
	case r.lexical == sqltext.MySQL && head.Verb == sqltext.Update:
		r.judgeJoined(v, head.Target, own)
	default:
		v.refuse("a common table expression or another part of the statement writes")
	}
}

// judgeJoined judges an UPDATE by way of several tables: which of them it updates
// is seen once it is taken apart. If any that is audited, it is to be the first.
func (r *registry) judgeJoined(v *verdict, first sqltext.Name, own *plan) {
	plans := r.byName(first)
	if slices.Contains(plans, own) {
		plans = []*plan{own}
	}
	switch {
	case len(plans) > 1:
		v.table = plans[0].name
		v.refuse(sharedTable)
	case len(plans) == 1:
		v.plan, v.table = plans[0], plans[0].name
	}
}

// judgeTruncate judges a TRUNCATE of several tables: each has an event of its
// own, of the model that is on it.
func (r *registry) judgeTruncate(v *verdict, targets []sqltext.Name) {
	for _, t := range targets {
		if v.err == nil && len(r.byName(t)) > 1 {
			v.refuse("several audited models share the table " + t.Table + ", and the statement has none of them as its model")
		}
	}
	if v.err == nil && r.dialect == nil {
		v.refuse(fmt.Sprintf("the audit does not support the dialect %s yet", r.db.Dialect().Name()))
	}
}
