package cli

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// result is what a command line came to.
type result struct {
	code     int
	out, err string
}

func run(ctx context.Context, cfg Config, args ...string) result {
	var out, stderr bytes.Buffer
	code := Run(ctx, cfg, args, "", &out, &stderr)
	return result{code, out.String(), stderr.String()}
}

func TestTheDatabaseIsOpenedByTheProgram(t *testing.T) {
	db := testdb.New(t, testdb.SQLite)
	require.NoError(t, sqlsink.New().CreateTable(t.Context(), db))
	var names []string
	var opened *bun.DB
	cfg := Config{Name: "shop-audit", Open: func(_ context.Context, name string) (*bun.DB, error) {
		names = append(names, name)
		opened = db.Open(t)
		return opened, nil
	}}
	for _, args := range [][]string{{"--help"}, {"check", "--help"}, {"check", "x"}, {"history", "--since", "soon"}, {"verify"}} {
		run(t.Context(), cfg, args...)
	}
	assert.Empty(t, names, "not for help, nor for a mistake")

	assert.Equal(t, result{out: "fine: the table of events is there\n"}, run(t.Context(), cfg, "check"))
	assert.Zero(t, run(t.Context(), cfg, "check", "--db", "other").code)
	assert.Equal(t, []string{"", "other"}, names)
	assert.Error(t, opened.PingContext(t.Context()), "it was closed")

	cfg.Check = func(context.Context) error { return errors.New("a trigger is in the way") }
	assert.Equal(t, result{exitFailed, "", "shop-audit: a trigger is in the way\n"}, run(t.Context(), cfg, "check"))

	cfg.Open = func(context.Context, string) (*bun.DB, error) { return nil, errors.New("no secret store") }
	assert.Equal(t, result{exitFailed, "", "shop-audit: no secret store\n"}, run(t.Context(), cfg, "history"))
	cfg.Open = func(context.Context, string) (*bun.DB, error) { return nil, Usage("which shop?") }
	assert.Equal(t, result{exitUsage, "", "shop-audit: which shop?\nSee shop-audit history --help.\n"}, run(t.Context(), cfg, "history"))
	cfg.Open = nil
	assert.Equal(t, exitFailed, run(t.Context(), cfg, "history").code)
}

func TestAnInterruptEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := Config{Name: "shop-audit", Open: func(context.Context, string) (*bun.DB, error) {
		db := testdb.New(t, testdb.SQLite)
		err := sqlsink.New().CreateTable(ctx, db)
		cancel()
		return db.DB, err
	}}
	r := run(ctx, cfg, "history")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.err, "shop-audit: interrupted: ")
	assert.Empty(t, r.out)
}

func TestHelpIsOfTheProgram(t *testing.T) {
	cfg := Config{Name: "shop-audit", Databases: "the shop's name"}
	for _, name := range []string{"history", "as-of", "diff", "verify", "baseline", "revert", "prune", "partitions", "export"} {
		r := run(t.Context(), cfg, name, "--help")
		assert.Zero(t, r.code)
		assert.Contains(t, r.out, "  shop-audit "+name, "an example")
		assert.NotContains(t, r.out, "bunaudit ")
		assert.Contains(t, r.out, "the shop's name (default $BUNAUDIT_DB)")
	}
}
