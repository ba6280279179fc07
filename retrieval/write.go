package retrieval

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/auditctx"
	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/internal/value"
	"github.com/sqlaudit/bun/sink"
)

func (q *query) onSQLite() bool { return q.dialect() == dialect.SQLite }

// writer changes rows of a model by Bun's builders, so that hooks see it. One that
// is dry builds its statements and doesn't run them.
type writer struct {
	db    bun.IDB
	model *model.Model
	undo  *undo // what it is for
	dry   bool
}

func (w writer) exec(ctx context.Context, q interface {
	Exec(context.Context, ...any) (sql.Result, error)
}) error {
	if w.dry {
		return nil
	}
	_, err := q.Exec(ctx)
	return err
}

// probe reports an error where nobody would record what the writer does, and
// sends nothing.
func (w writer) probe(ctx context.Context) error {
	_, err := w.db.NewDelete().Model(reflect.New(w.model.Bun.Type).Interface()).Where("1 = 0").ForceDelete().Exec(auditctx.Probe(ctx))
	switch {
	case errors.Is(err, auditctx.ErrHeard):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil || errors.Is(err, context.Canceled):
		return ErrUnrecorded
	}
	return err
}

// remove deletes the row with the key, also where the model deletes softly.
func (w writer) remove(ctx context.Context, key sink.Values) error {
	del := w.db.NewDelete().Model(reflect.New(w.model.Bun.Type).Interface()).ForceDelete()
	if w.model.Bun.SoftDeleteField != nil {
		del = del.WhereAllWithDeleted()
	}
	err := w.eachKey(key, func(f *schema.Field, arg any) { del = del.Where("? = ?", f.SQLName, arg) })
	if err != nil {
		return err
	}
	return w.exec(ctx, del)
}

// insert inserts a row with these columns; others get their defaults.
func (w writer) insert(ctx context.Context, key, values sink.Values) error {
	all := maps.Clone(values)
	maps.Copy(all, key)
	row, columns, special, err := w.row(all)
	if err != nil {
		return err
	}
	ins := w.db.NewInsert().Model(row).Column(columns...).Returning("NULL")
	for name, v := range special {
		ins = ins.Value(name, "?", v)
	}
	return w.exec(ctx, ins)
}

// update gives a row its old values back, and its old key. It reports whether
// there was anything to do.
func (w writer) update(ctx context.Context, u *undo) (bool, error) {
	now, values := u.row.Values(), sink.Values{}
	for name, raw := range u.then {
		if is, tracked := now[name]; !tracked || string(is) != string(raw) {
			values[name] = raw
		}
	}
	wrote := false
	row, columns, special, err := w.row(values)
	if err != nil {
		return false, err
	}
	if len(columns) > 0 {
		up := w.db.NewUpdate().Model(row).Column(columns...)
		for name, v := range special {
			up = up.Value(name, "?", v)
		}
		if err := w.execUpdate(ctx, up, u.key); err != nil {
			return false, err
		}
		wrote = true
	}
	old, err := canonicalKey(u.target)
	if err != nil {
		return false, err
	}
	if is, err := canonicalKey(u.key); err != nil || is == old {
		return wrote, err
	}
	return true, w.move(ctx, u.key, u.target)
}

// move gives the row with the key another one. Bun leaves the primary key out of
// an update by a model.
func (w writer) move(ctx context.Context, from, to sink.Values) error {
	up := w.db.NewUpdate().Model(reflect.New(w.model.Bun.Type).Interface())
	err := w.eachKey(to, func(f *schema.Field, arg any) { up = up.Set("? = ?", f.SQLName, arg) })
	if err != nil {
		return err
	}
	return w.execUpdate(ctx, up, from)
}

func (w writer) execUpdate(ctx context.Context, up *bun.UpdateQuery, key sink.Values) error {
	if w.model.Bun.SoftDeleteField != nil {
		up = up.WhereAllWithDeleted()
	}
	err := w.eachKey(key, func(f *schema.Field, arg any) { up = up.Where("? = ?", f.SQLName, arg) })
	if err != nil {
		return err
	}
	return w.exec(ctx, up)
}

func (w writer) eachKey(key sink.Values, fn func(*schema.Field, any)) error {
	for _, f := range w.model.Key {
		arg, err := value.Arg(f, key[f.Name])
		if err != nil {
			return w.unfit(f.Name, err)
		}
		fn(f, arg)
	}
	return nil
}

// unfit says which event has the value that the model's field can't hold.
func (w writer) unfit(column string, err error) error {
	return fmt.Errorf("event %s of %s: %w", cmp.Or(w.undo.from[column], w.undo.event), w.undo.table, err)
}

// row makes a value of the model of columns that it has. Those that Bun would
// write as another value, because of the tag nullzero, are special.
func (w writer) row(values sink.Values) (row any, columns []string, special map[string]any, err error) {
	v := reflect.New(w.model.Bun.Type)
	special = map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f, ok := w.model.Field(name)
		if !ok { // the model no longer has it
			continue
		}
		raw := values[name]
		if err := value.Decode(f, raw, f.Value(v.Elem())); err != nil {
			return nil, nil, nil, w.unfit(name, err)
		}
		columns = append(columns, name)
		switch {
		case string(raw) == "null":
			special[name] = nil
		case f.NullZero && f.HasZeroValue(v.Elem()):
			special[name] = f.Value(v.Elem()).Interface()
		}
	}
	return v.Interface(), columns, special, nil
}

// claim takes the only lock that SQLite has, before anything is read: a
// transaction that reads first can't write once another one has.
func (q *query) claim(ctx context.Context, tx bun.Tx) error {
	_, err := tx.NewRaw("DELETE FROM ? WHERE 1 = 0", q.events.Expr()).Exec(ctx)
	return q.explain(err)
}

// newEvents are n events of one transaction, with what the context says.
func newEvents(ctx context.Context, m *model.Model, op sink.Op, n int) []sink.Event {
	events := make([]sink.Event, n)
	e := sink.Event{
		Time: time.Now().UTC().Truncate(time.Microsecond), Op: op, Table: m.Table, Model: m.Label,
		Actor: auditctx.Actor(ctx), Reason: auditctx.Reason(ctx), Meta: auditctx.Meta(ctx), Tx: newID(),
	}
	for i := range events {
		events[i] = e
		events[i].ID = newID()
	}
	return events
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// insert writes events, as the sink does.
func (q *query) insert(ctx context.Context, tx bun.Tx, events []sink.Event) error {
	batches, err := eventrow.Encode(events)
	if err != nil {
		return err
	}
	return q.explain(q.events.Insert(ctx, tx.NewSelect().DB(), tx, batches))
}
