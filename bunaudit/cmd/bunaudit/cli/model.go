package cli

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// Model is an audited model that commands can be given the table of: see [For].
type Model struct {
	typ   reflect.Type
	query func(*bun.DB, scope) audited
}

// For makes M, a struct with audit tags, known to the commands.
func For[M any]() Model {
	return Model{typ: reflect.TypeFor[M](), query: func(db *bun.DB, s scope) audited {
		q := retrieval.For[M](db).From(s.events).InSchema(s.schema).Between(s.since, s.until)
		if s.key != nil {
			q.Key(s.key)
		}
		if s.op != "" {
			q.Op(s.op)
		}
		return q
	}}
}

// scope is what of a model's history is meant.
type scope struct {
	events, schema string
	key            sink.Values // nil: every row
	since, until   time.Time
	op             sink.Op // empty: every operation
}

// audited is what a query can do for a command, whatever its model.
type audited interface {
	Verify(context.Context, retrieval.VerifyOptions) iter.Seq2[retrieval.Finding, error]
	Baseline(context.Context, retrieval.BaselineOptions) (int64, error)
	Revert(context.Context, retrieval.RevertOptions) (int, error)
	Count(context.Context) (int, error)
}

// table is a model by the name of its table.
type table struct {
	Model
	name string
	read *model.Model
}

// knowsModels reports an error where there are none.
func (c *command) knowsModels() error {
	if len(c.cfg.Models) > 0 {
		return nil
	}
	return Usage("this program knows no models, without which the audited tables can't be read or written: build one that does, " +
		"see https://pkg.go.dev/github.com/sqlaudit/bun/bunaudit/cmd/bunaudit/cli")
}

// tables returns the models with the table of that name, or all.
func (c *command) tables(db *bun.DB, names []string) ([]table, error) {
	var found []table
	var known []string
	for _, m := range c.cfg.Models {
		read, err := model.Of(db.Dialect().Tables().Get(m.typ))
		switch {
		case err != nil:
			return nil, fmt.Errorf("the model %s: %w", m.typ, err)
		case read == nil:
			return nil, fmt.Errorf("the model %s has no audit tag", m.typ)
		}
		known = append(known, read.Table)
		if len(names) == 0 || names[0] == read.Table || names[0] == read.Label {
			found = append(found, table{m, read.Table, read})
		}
	}
	if found == nil {
		return nil, Usage("no model has the table %s: the models have %s", names[0], strings.Join(known, ", "))
	}
	return found, nil
}

func (c *command) scope(of key) scope {
	return scope{events: c.events, schema: c.schema, key: of.values}
}
