package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/pgdriver"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/oracle"
)

const postgresEnv = "BUNAUDIT_TEST_POSTGRES"

type backend struct {
	name    string
	control string // where its server takes orders, or ""
	open    func(ctx context.Context, separate bool) (w *oracle.World, done func(), err error)
}

// choose finds the databases of a list of names; of no name, those that can be
// had.
func choose(names string) ([]backend, error) {
	all := []backend{{"sqlite", "", openSQLite}, {"postgres", os.Getenv(postgresEnv + "_CONTROL"), openPostgres}}
	if names == "" {
		if os.Getenv(postgresEnv) == "" {
			fmt.Println("soak: no PostgreSQL:", postgresEnv, "is not set")
			return all[:1], nil
		}
		return all, nil
	}
	var chosen []backend
	for _, name := range strings.Split(names, ",") {
		found := false
		for _, b := range all {
			if b.name == name {
				chosen, found = append(chosen, b), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no database is called %q: there are sqlite and postgres", name)
		}
	}
	return chosen, nil
}

func openSQLite(ctx context.Context, separate bool) (*oracle.World, func(), error) {
	dir, err := os.MkdirTemp("", "bunaudit-soak-")
	if err != nil {
		return nil, nil, err
	}
	dsn := "file:" + filepath.Join(dir, "soak.db") +
		"?_pragma=busy_timeout(3000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=synchronous(OFF)" +
		"&_busy_timeout=3000&_journal_mode=WAL&_foreign_keys=1&_synchronous=OFF" // for the other driver behind sqliteshim
	return openWorld(ctx, separate, func() *bun.DB {
		pool, err := sql.Open(sqliteshim.ShimName, dsn)
		if err != nil {
			panic(err) // the driver is not registered
		}
		return bun.NewDB(pool, sqlitedialect.New())
	}, func() { _ = os.RemoveAll(dir) })
}

func openPostgres(ctx context.Context, separate bool) (*oracle.World, func(), error) {
	server := os.Getenv(postgresEnv)
	u, err := url.Parse(server)
	if err != nil || server == "" {
		return nil, nil, errors.New(postgresEnv + " is not the URL of a server")
	}
	admin := bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(server))), pgdialect.New())
	schema := fmt.Sprintf("bunaudit_soak_%d", time.Now().UnixNano())
	if _, err := admin.ExecContext(ctx, "CREATE SCHEMA "+schema); err != nil {
		return nil, nil, errors.Join(err, admin.Close())
	}
	q := u.Query()
	var super string
	if err := admin.NewRaw("SELECT current_setting('is_superuser')").Scan(ctx, &super); err == nil && super == "on" {
		q.Set("deadlock_timeout", "50ms") // or most of the time goes by in deadlocks
	}
	q.Set("search_path", schema)
	q.Set("application_name", schema)
	u.RawQuery = q.Encode()
	return openWorld(ctx, separate, func() *bun.DB {
		return bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(u.String()))), pgdialect.New())
	}, func() {
		_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA "+schema+" CASCADE")
		_ = admin.Close()
	})
}

// openWorld opens a World; done closes it, and removes what it was in.
func openWorld(ctx context.Context, separate bool, open func() *bun.DB, remove func()) (*oracle.World, func(), error) {
	w, err := oracle.Open(ctx, open, func(cfg *bunaudit.Config) { cfg.SeparateStatements = separate })
	if err != nil {
		remove()
		return nil, nil, err
	}
	return w, func() {
		_ = w.Close()
		remove()
	}, nil
}
