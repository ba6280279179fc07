package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"
)

// poolSize is enough for the workload with most clients.
const poolSize = 16

// timeout is enough for the statement that takes longest: an index on 50 million events.
const timeout = time.Hour

// open opens a pool on the contender's schema, with its hook where it has one.
func (c *contender) open(dsn string, hooked bool) (*bun.DB, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("the data source name is not a URL") // err would show the password
	}
	q := u.Query()
	q.Set("search_path", c.schema)
	u.RawQuery = q.Encode()
	pool := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(u.String()), pgdriver.WithTimeout(timeout)))
	pool.SetMaxOpenConns(poolSize)
	pool.SetMaxIdleConns(poolSize)
	db := bun.NewDB(pool, pgdialect.New())
	if hooked && c.hook != nil {
		db.AddQueryHook(c.hook())
	}
	return db, nil
}

// ours reports whether the server is one that the tests have started.
func ours(ctx context.Context, db *bun.DB) (bool, error) {
	var name string
	err := db.NewRaw("SELECT current_setting('cluster_name')").Scan(ctx, &name)
	return name == "bunaudit", err
}

// setFsync switches fsync on or off for the whole server, and returns when it is.
func setFsync(ctx context.Context, db *bun.DB, on bool) error {
	want := "off"
	if on {
		want = "on"
	}
	if _, err := db.ExecContext(ctx, "ALTER SYSTEM SET fsync = "+want); err != nil {
		return fmt.Errorf("switch fsync %s: %w", want, err)
	}
	if _, err := db.ExecContext(ctx, "SELECT pg_reload_conf()"); err != nil {
		return fmt.Errorf("switch fsync %s: %w", want, err)
	}
	for range 100 {
		var is string
		if err := db.NewRaw("SHOW fsync").Scan(ctx, &is); err != nil {
			return err
		}
		if is == want {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("fsync doesn't go %s: it is given on the server's command line", want)
}
