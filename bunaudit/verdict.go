package bunaudit

import (
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// verdict is what the hook makes of a statement.
type verdict struct {
	table   string // the audited table it writes to; empty: none, let it pass
	verb    sqltext.Verb
	plan    *plan
	guarded bool  // its model put a guard on it
	err     error // why it must not run
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
	if !head.Writes && head.Certain && !head.Several {
		return v
	}
	v.verb = head.Verb
	if head.Certain && !head.Several {
		r.judgeTarget(&v, head.Target, own)
		return v
	}
	r.judgeText(&v, head, event.Query, own)
	return v
}

// judgeTarget judges a statement that writes to one table.
func (r *registry) judgeTarget(v *verdict, target sqltext.Name, own *plan) {
	plans := r.byName(target)
	switch {
	case own != nil && own.audited(): // also where ModelTableExpr names another table
		v.plan = own
	case len(plans) == 1:
		v.plan = plans[0]
	case len(plans) > 1:
		v.table = plans[0].table
		v.refuse("several audited models share the table, and the statement has none of them as its model")
		return
	default:
		return
	}
	v.table = v.plan.table
	switch {
	case v.plan.err != nil:
		v.err = v.plan.err
	case r.dialect == nil:
		v.refuse(fmt.Sprintf("the audit does not support the dialect %s yet", r.db.Dialect().Name()))
	}
}

// judgeText judges a statement that Glance can't place: with CTEs, of several
// statements, or not understood.
func (r *registry) judgeText(v *verdict, head sqltext.Head, text string, own *plan) {
	targets, certain := sqltext.Targets(r.lexical, text)
	if !certain {
		table, ok := r.mentionsAudited(text)
		if own != nil && own.audited() {
			table, ok = own.table, true
		}
		if ok {
			v.table = table
			v.refuse("the text can't be taken apart with certainty, and it may write to that table")
		}
		return
	}
	var audited []string
	for _, t := range targets {
		if len(r.byName(t)) > 0 {
			audited = append(audited, t.Table)
		}
	}
	switch {
	case head.Several && len(audited) > 0:
		v.table = audited[0]
		v.refuse("the text has several statements: run them one by one")
	case len(audited) > 0:
		v.table = audited[0]
		v.refuse("a common table expression or a part of the statement writes to " + strings.Join(audited, ", "))
	case own != nil && own.audited() && len(targets) > 0:
		v.table, v.plan = own.table, own
		v.refuse("it writes to several tables")
	}
}
