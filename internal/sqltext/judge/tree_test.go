package judge

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sqlaudit/bun/internal/sqltext"
)

// placeless returns a copy without the places in the text.
func placeless(m proto.Message) proto.Message {
	m = proto.Clone(m)
	forEach(m.ProtoReflect(), func(m protoreflect.Message) bool {
		fields := m.Descriptor().Fields()
		for _, name := range []protoreflect.Name{"location", "list_start", "list_end", "stmt_location", "stmt_len"} {
			if f := fields.ByName(name); f != nil {
				m.Clear(f)
			}
		}
		return true
	})
	return m
}

// forEach calls f for a message and those in it, until f returns false.
func forEach(m protoreflect.Message, f func(protoreflect.Message) bool) {
	if !m.IsValid() || !f(m) {
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range v.List().Len() {
				forEach(v.List().Get(i).Message(), f)
			}
		default:
			forEach(v.Message(), f)
		}
		return true
	})
}

// written lists the tables that a tree writes to when it is executed.
func written(m proto.Message) (names []sqltext.Name) {
	add := func(r *pg.RangeVar) {
		n := sqltext.Name{Schema: r.Schemaname, Table: r.Relname}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	forEach(m.ProtoReflect(), func(m protoreflect.Message) bool {
		switch s := m.Interface().(type) {
		case *pg.InsertStmt:
			add(s.Relation)
		case *pg.UpdateStmt:
			add(s.Relation)
		case *pg.DeleteStmt:
			add(s.Relation)
		case *pg.MergeStmt:
			add(s.Relation)
		case *pg.TruncateStmt:
			for _, r := range s.Relations {
				add(r.GetRangeVar())
			}
		case *pg.CopyStmt:
			if s.IsFrom && s.Relation != nil {
				add(s.Relation)
			}
		case *pg.ExplainStmt:
			return slices.ContainsFunc(s.Options, func(o *pg.Node) bool {
				return strings.HasPrefix(o.GetDefElem().Defname, "analy")
			})
		case *pg.CreateFunctionStmt, *pg.RuleStmt:
			return false
		}
		return true
	})
	return names
}
