package bunaudit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"reflect"
	"sync"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/sqlstate"
	"github.com/sqlaudit/bun/internal/sqltext"
	"github.com/sqlaudit/bun/sink"
)

// A statement that writes its own events is long, and PostgreSQL spends more
// time on reading and planning it than on carrying it out. With
// [Config.Prepare] that is done once for each connection and each statement
// that differs from others in its values alone: it is sent as EXECUTE, with the
// literals that Bun has written, which mean there what they mean in their places
// (see sqltext's Lift).
//
// EXECUTE is one message, as the statement itself is: what the driver does about
// time-outs, dead connections and results stays as it is. It is done on the pool
// alone, where an error undoes nothing but the statement, which is then sent as
// text.
const (
	maxPrepared    = 100   // statements of a database
	maxForms       = 1000  // that are known
	maxSessions    = 1000  // connections that are remembered
	maxPreparedLen = 8_000 // bytes of a statement
)

// preparer knows what the connections of one database have prepared.
type preparer struct {
	mu       sync.Mutex
	off      bool // they don't keep it: a pooler gives them another session each time
	forms    map[formKey]*preparedForm
	names    map[string]bool         // of all that was prepared
	sessions map[any]map[string]bool // by the driver's connection
}

// formKey is what statements have in common that differ in their values alone.
type formKey struct {
	inline   *inline
	text     string
	events   sink.Table
	shared   uint16 // the columns that their events have
	wantRows bool
}

// preparedForm is made when such a statement comes for the second time.
type preparedForm struct {
	name string
	text inlineText
	bad  bool // it can't be prepared
}

// sendPrepared runs the statement by a prepared one. It is not done where that
// can't be, and nothing was changed.
func (c *capture) sendPrepared(ctx context.Context, tables []sink.Table, row *eventrow.Row) (out *outcome, text inlineText, done bool, err error) {
	pool, onPool := c.unit.conn.(*sql.DB)
	if p := c.columns.inline; !c.hook.cfg.Prepare || !onPool || !c.hook.ownIDs || len(tables) != 1 || p.partitioned || p.readsByModifier ||
		len(c.text) > maxPreparedLen {
		return nil, text, false, nil
	}
	lifted, values, ok := c.stmt.Lift(c.text)
	if !ok {
		return nil, text, false, nil
	}
	prepared := &c.registry.prepared
	key := formKey{inline: c.columns.inline, text: lifted, events: tables[0], shared: row.Shared(), wantRows: c.wantRows}
	form := prepared.form(key, c.hook.preparesAtOnce, func() *preparedForm { return c.prepareForm(lifted, len(values), tables, row) })
	if form == nil {
		return nil, text, false, nil
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, text, true, &statementError{err}
	}
	defer conn.Close() //nolint:errcheck // What it may say the statement has said.
	if !prepared.on(ctx, conn, form) {
		return nil, text, false, nil
	}
	text = form.text
	text.sql = executeText(form.name, values, row)
	c.unit.conn = conn
	out, err = c.send(ctx, text)
	c.unit.conn = pool
	if prepared.refused(form, err) {
		return nil, text, false, nil
	}
	return out, text, true, err
}

// prepareForm makes the statement with parameters for its values and for what
// its events have in common.
func (c *capture) prepareForm(text string, values int, tables []sink.Table, row *eventrow.Row) *preparedForm {
	r := *c.recorder
	var err error
	if r.stmt, err = sqltext.Split(r.registry.lexical, text); err != nil {
		return &preparedForm{bad: true}
	}
	r.text = text
	form := &preparedForm{text: (&capture{recorder: &r, unit: c.unit, wantRows: c.wantRows, columns: c.columns, param: values + 1}).inlineText(tables, row)}
	sum := sha256.Sum256([]byte(form.text.sql)) // sessions that are shared may have it from others
	form.name = "bunaudit_" + hex.EncodeToString(sum[:16])
	return form
}

func executeText(name string, values []string, row *eventrow.Row) string {
	n := len(name) + 300
	for _, v := range values {
		n += len(v) + 1
	}
	b := append(append(append(make([]byte, 0, n), "EXECUTE "...), name...), '(')
	for _, v := range values {
		b = append(append(b, v...), ',')
	}
	return string(append(row.AppendArguments(b), ')'))
}

// form returns the form of statements that have come before, or of all, or nil.
func (p *preparer) form(key formKey, all bool, prepare func() *preparedForm) *preparedForm {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return nil
	}
	form, seen := p.forms[key]
	if !seen {
		if p.forms == nil {
			p.forms, p.names, p.sessions = make(map[formKey]*preparedForm), make(map[string]bool), make(map[any]map[string]bool)
		}
		if len(p.forms) >= maxForms {
			clear(p.forms)
		}
		p.forms[key] = nil
		if !all {
			return nil
		}
	}
	if form == nil {
		form = prepare()
		if !p.names[form.name] && len(p.names) >= maxPrepared {
			form.bad = true
		}
		if !form.bad {
			p.names[form.name] = true
		}
		p.forms[key] = form
	}
	if form.bad {
		return nil
	}
	return form
}

// on prepares the statement on a connection, unless that has been done.
func (p *preparer) on(ctx context.Context, conn *sql.Conn, form *preparedForm) bool {
	var session any
	if err := conn.Raw(func(c any) error {
		if reflect.ValueOf(c).Kind() == reflect.Pointer {
			session = c
		}
		return nil
	}); err != nil {
		return false
	}
	p.mu.Lock()
	p.off = p.off || session == nil // a driver that shows no identity
	has := p.sessions[session][form.name]
	p.mu.Unlock()
	if has || session == nil {
		return has
	}
	const exists = "42P05" // from before it was forgotten here, or another's: the name says that it is the same
	_, err := conn.ExecContext(ctx, "PREPARE "+form.name+" AS "+form.text.sql)
	p.mu.Lock()
	defer p.mu.Unlock()
	if state := sqlstate.Of(err); err != nil && state != exists {
		form.bad = form.bad || state != ""
		return false
	}
	names := p.sessions[session]
	if names == nil {
		if len(p.sessions) >= maxSessions {
			clear(p.sessions) // most of these connections are closed by now
		}
		names = make(map[string]bool)
		p.sessions[session] = names
	}
	names[form.name] = true
	return true
}

// refused reports whether the statement was not carried out because it is a
// prepared one, and sees to it that it isn't tried for ever.
func (p *preparer) refused(form *preparedForm, err error) bool {
	if err == nil {
		return false
	}
	const unknownName, otherResult = "26000", "0A000"
	state := sqlstate.Of(err)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case state == unknownName: // the session is not the one that has prepared it, or was told to forget
		p.off = true
	case state == otherResult: // its rows have other columns now
		form.bad = true
	case !errors.Is(err, driver.ErrBadConn):
		return false
	}
	return true
}
