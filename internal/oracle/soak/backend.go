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

	"github.com/go-sql-driver/mysql"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/pgdriver"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/internal/oracle"
)

// The variables that name servers. The sister of each that ends in _CONTROL says
// where it takes orders.
const (
	postgresEnv = "BUNAUDIT_TEST_POSTGRES"
	mariadbEnv  = "BUNAUDIT_TEST_MARIADB"
	kafkaEnv    = "BUNAUDIT_TEST_KAFKA"
)

type backend struct {
	name     string
	separate bool   // the events are recorded by statements of their own
	control  string // where its server takes orders, or ""
	open     func(ctx context.Context, s oracle.Setup) (w *oracle.World, done func(), err error)
}

func (b backend) String() string {
	if b.separate && b.name == postgres {
		return b.name + ", separately"
	}
	return b.name
}

const (
	sqlite   = "sqlite"
	postgres = "postgres"
	mariadb  = "mariadb"
)

// choose finds the databases of a list of names; of no name, those that can be
// had. PostgreSQL comes once for each way of recording, unless way names one.
func choose(names, way string) ([]backend, error) {
	control := os.Getenv(postgresEnv + "_CONTROL")
	all := []backend{
		{sqlite, true, "", openSQLite},
		{postgres, false, control, openPostgres},
		{postgres, true, control, openPostgres},
		{mariadb, true, os.Getenv(mariadbEnv + "_CONTROL"), openMariaDB},
	}
	if names == "" {
		names = sqlite
		for _, server := range []struct{ name, env string }{{postgres, postgresEnv}, {mariadb, mariadbEnv}} {
			if os.Getenv(server.env) == "" {
				fmt.Printf("soak: no %s: %s is not set\n", server.name, server.env)
			} else {
				names += "," + server.name
			}
		}
	}
	if way != "" && way != "one" && way != "separate" {
		return nil, fmt.Errorf("there is no way %q to record: there are one and separate", way)
	}
	var chosen []backend
	for _, name := range strings.Split(names, ",") {
		known := false
		for _, b := range all {
			if b.name != name {
				continue
			}
			known = true
			if way == "" || name != postgres || b.separate == (way == "separate") {
				chosen = append(chosen, b)
			}
		}
		if !known {
			return nil, fmt.Errorf("no database is called %q: there are sqlite, postgres and mariadb", name)
		}
	}
	return chosen, nil
}

func openSQLite(ctx context.Context, s oracle.Setup) (*oracle.World, func(), error) {
	dir, err := os.MkdirTemp("", "bunaudit-soak-")
	if err != nil {
		return nil, nil, err
	}
	dsn := "file:" + filepath.Join(dir, "soak.db") +
		"?_pragma=busy_timeout(3000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=synchronous(OFF)&_pragma=recursive_triggers(1)" +
		"&_busy_timeout=3000&_journal_mode=WAL&_foreign_keys=1&_synchronous=OFF&_recursive_triggers=1" // for the other driver behind sqliteshim
	return openWorld(ctx, s, func() *bun.DB {
		pool, err := sql.Open(sqliteshim.ShimName, dsn)
		if err != nil {
			panic(err) // the driver is not registered
		}
		return bun.NewDB(pool, sqlitedialect.New())
	}, func() { _ = os.RemoveAll(dir) })
}

func openPostgres(ctx context.Context, s oracle.Setup) (*oracle.World, func(), error) {
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
	return openWorld(ctx, s, func() *bun.DB {
		return bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(u.String()))), pgdialect.New())
	}, func() {
		_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA "+schema+" CASCADE")
		_ = admin.Close()
	})
}

func openMariaDB(ctx context.Context, s oracle.Setup) (*oracle.World, func(), error) {
	cfg, err := mysql.ParseDSN(os.Getenv(mariadbEnv))
	if err != nil || os.Getenv(mariadbEnv) == "" {
		return nil, nil, errors.New(mariadbEnv + " is not the data source name of a server") // err would show the password
	}
	cfg.Logger = &mysql.NopLogger{} // that connections fail is what the command sees to
	cfg.MultiStatements = true      // as on the other databases
	pool := func(database string) *bun.DB {
		c := cfg.Clone()
		c.DBName = database
		connector, err := mysql.NewConnector(c)
		if err != nil {
			panic(err) // the configuration has been parsed
		}
		return bun.NewDB(sql.OpenDB(connector), mysqldialect.New())
	}
	admin := pool(cfg.DBName)
	schema := fmt.Sprintf("bunaudit_soak_%d", time.Now().UnixNano())
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+schema+" CHARACTER SET utf8mb4"); err != nil {
		return nil, nil, errors.Join(err, admin.Close())
	}
	return openWorld(ctx, s, func() *bun.DB { return pool(schema) }, func() {
		_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+schema)
		_ = admin.Close()
	})
}

// openWorld opens a World; done closes it, and removes what it was in.
func openWorld(ctx context.Context, s oracle.Setup, open func() *bun.DB, remove func()) (*oracle.World, func(), error) {
	s.Open = open
	w, err := oracle.Open(ctx, s)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return w, func() {
		_ = w.Close()
		remove()
	}, nil
}
