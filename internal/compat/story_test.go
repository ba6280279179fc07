package compat

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/sink"
)

// story is what is on record, one line an event:
//
//	update {"id":2}: name "two" -> "zwei"
//
// Of a delete only what was not NULL is told, and of a soft delete not when: that
// is the clock's.
func (w *world) story(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, e := range w.events(t) {
		op := string(e.Op)
		if e.Soft {
			op = "soft " + op
		}
		var parts []string
		for column, c := range e.Changes {
			part := column
			switch {
			case e.Soft:
			case e.Op == sink.Delete && string(c.Old) == "null":
				continue
			default:
				if c.Old != nil {
					part += " " + string(c.Old)
				}
				if c.New != nil {
					part += " -> " + string(c.New)
				}
			}
			parts = append(parts, part)
		}
		slices.Sort(parts)
		lines = append(lines, fmt.Sprintf(`%s {"id":%s}: %s`, op, e.Key["id"], strings.Join(parts, ", ")))
	}
	return lines
}

func (w *world) events(t *testing.T) []sink.Event {
	t.Helper()
	var rows []eventrow.Row
	require.NoError(t, w.admin.NewSelect().Model(&rows).OrderExpr("seq").Scan(t.Context()))
	events := make([]sink.Event, len(rows))
	for i, row := range rows {
		var err error
		events[i], err = row.ToEvent()
		require.NoError(t, err)
	}
	return events
}

// requireComplete asserts that every event says who, when and of what.
func (w *world) requireComplete(t *testing.T) {
	t.Helper()
	for _, e := range w.events(t) {
		require.Equal(t, actor, e.Actor)
		require.Equal(t, now, e.Time)
		require.Equal(t, "things", e.Table)
		require.Equal(t, "Thing", e.Model)
	}
}

// bare is the story of an insert of a name alone.
func bare(id int, name string) string {
	return fmt.Sprintf(`insert {"id":%d}: big -> null, blob -> null, day -> null, deleted_at -> null, doc -> null, local -> null, `+
		`made -> "by default", maybe -> null, moment -> null, name -> %q, numbers -> null, price -> null, ratio -> null, `+
		`raw -> null, small -> null, tags -> null, uuid -> null, yes -> null`, id, name)
}

func affected(res sql.Result, err error, want int64) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != want {
		return fmt.Errorf("%d rows affected (%w), not %d", n, err, want)
	}
	return nil
}

// stateOf returns the SQLSTATE of an error of either driver.
func stateOf(err error) string {
	var ofPgx *pgconn.PgError
	var ofBun pgdriver.Error
	switch {
	case errors.As(err, &ofPgx):
		return ofPgx.Code
	case errors.As(err, &ofBun):
		return ofBun.Field('C')
	}
	return ""
}
