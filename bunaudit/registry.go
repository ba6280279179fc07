package bunaudit

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// registry knows which tables of one database are audited. There is one for
// each set of tables that Bun keeps, that is for each dialect value.
type registry struct {
	hook    *Hook
	db      *bun.DB
	dialect database // nil where the dialect is not supported
	lexical sqltext.Dialect

	plans    sync.Map // *schema.Table → *plan
	prepared preparer

	mu    sync.Mutex // serialises rebuild
	known atomic.Pointer[known]
	first *known // when the hook was added
}

// known is what the models that Bun has seen say about its tables.
type known struct {
	models int
	names  map[string][]*plan // by the table's name in lower case, without schema
}

// plan is what is known of one model.
type plan struct {
	model   *model.Model // nil: not audited
	err     error        // the tags can't be read
	guarded bool         // it embeds Model
	name    string       // the table as declared, and as events have it
	schema  string       // of the name; empty: that of the search path
	table   string       // of the name

	images sync.Map // the table as a statement names it → *columns
}

func (p *plan) audited() bool { return p.model != nil || p.err != nil }

func newRegistry(h *Hook, db *bun.DB) *registry {
	r := &registry{hook: h, db: db}
	switch db.Dialect().Name() {
	case dialect.PG:
		r.dialect, r.lexical = postgres{db.Dialect()}, sqltext.PostgreSQL
	case dialect.SQLite:
		r.dialect, r.lexical = sqlite{db.Dialect()}, sqltext.SQLite
	case dialect.MySQL:
		r.dialect, r.lexical = newMariaDB(db.Dialect()), sqltext.MySQL
	}
	r.rebuild()
	r.first = r.known.Load()
	return r
}

// plan returns what is known of a model, reading its tags at first sight.
func (r *registry) plan(t *schema.Table) *plan {
	if p, ok := r.plans.Load(t); ok {
		return p.(*plan)
	}
	r.rebuild()
	return r.read(t)
}

func (r *registry) read(t *schema.Table) *plan {
	if p, ok := r.plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{name: t.Name, table: t.Name}
	if before, after, ok := strings.Cut(t.Name, "."); ok {
		p.schema, p.table = before, after
	}
	_, p.guarded = t.ZeroIface.(interface{ auditGuard() })
	p.model, p.err = model.Of(t)
	if p.err != nil {
		p.err = fmt.Errorf("bunaudit: read tags: %w", p.err)
	} else if p.model != nil && r.hook.cfg.HashKey == nil {
		for _, c := range p.model.Columns {
			if c.Mask == sink.Hashed {
				p.err = fmt.Errorf("bunaudit: model %s: field %s is tagged audit:hash, but Config.HashKey is not set",
					t.TypeName, c.Field.GoName)
			}
		}
	}
	actual, _ := r.plans.LoadOrStore(t, p)
	return actual.(*plan)
}

// rebuild reads every model that Bun has seen by now.
func (r *registry) rebuild() {
	r.mu.Lock()
	defer r.mu.Unlock()
	tables := r.db.Dialect().Tables().All()
	if k := r.known.Load(); k != nil && k.models == len(tables) {
		return // Bun forgets no model
	}
	k := &known{models: len(tables), names: make(map[string][]*plan, len(tables))}
	for _, t := range tables {
		p := r.read(t)
		name := strings.ToLower(p.table)
		k.names[name] = append(k.names[name], p)
	}
	r.known.Store(k)
}

// byName returns the plans of the audited models on a table.
func (r *registry) byName(n sqltext.Name) []*plan {
	key := strings.ToLower(n.Table)
	plans, ok := r.known.Load().names[key]
	if !ok { // perhaps a model that was registered since
		r.rebuild()
		plans = r.known.Load().names[key]
	}
	var found []*plan
	for _, p := range plans {
		if p.audited() && r.isNamed(p, n) {
			found = append(found, p)
		}
	}
	return found
}

// isNamed reports whether a statement that names n may mean p's table. Where
// one of the two names no schema the search path decides, which only the
// database knows, so that counts as the same.
func (r *registry) isNamed(p *plan, n sqltext.Name) bool {
	return n.Is(r.lexical, p.schema, p.table)
}

// mentioned returns the plans of the audited models whose table's name is in
// the text, anywhere, or may be: PostgreSQL's U&"…" spells it in code points.
func (r *registry) mentioned(text string) []*plan {
	r.rebuild()
	lower := strings.ToLower(text)
	spelt := r.lexical == sqltext.PostgreSQL && strings.Contains(lower, `u&"`)
	var found []*plan
	for name, plans := range r.known.Load().names {
		if !spelt && !strings.Contains(lower, name) {
			continue
		}
		for _, p := range plans {
			if p.audited() {
				found = append(found, p)
			}
		}
	}
	return found
}

func modelType(m any) (reflect.Type, error) {
	typ := reflect.TypeOf(m)
	for typ != nil && (typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice) {
		typ = typ.Elem()
	}
	if typ == nil || typ.Kind() != reflect.Struct {
		return nil, fmt.Errorf("bunaudit: Config.Models has a %T: give models as (*Customer)(nil)", m)
	}
	return typ, nil
}

// check reports every model whose tags can't be read.
func (r *registry) check() error {
	r.rebuild()
	var errs []error
	for _, plans := range r.known.Load().names {
		for _, p := range plans {
			if p.err != nil {
				errs = append(errs, p.err)
			}
		}
	}
	return errors.Join(errs...)
}
