package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/pgdriver"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/bunaudit/cmd/bunaudit/cli"
)

// databases are the names that open takes.
const databases = "postgres://…, mysql://user:password@tcp(host)/name or sqlite:file"

// open opens the database of that name. Its errors don't have the name in them, so
// they leave out what the parsers say.
func open(ctx context.Context, name string) (*bun.DB, error) {
	switch scheme, rest, _ := strings.Cut(name, ":"); {
	case name == "":
		return nil, cli.Usage("which database? say --db, or set BUNAUDIT_DB: %s", databases)
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(name)
	case scheme == "mysql" || scheme == "mariadb":
		return openMySQL(ctx, strings.TrimPrefix(rest, "//"))
	case scheme == "sqlite":
		return openSQLite(strings.TrimPrefix(rest, "//"))
	case scheme == "file": // as SQLite has it: a URL
		file, options, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
		if plain, err := url.PathUnescape(file); err == nil {
			file = plain
		}
		return openSQLite(file + "?" + options)
	case strings.Contains(name, ")/"): // as go-sql-driver/mysql has it, without a scheme
		return openMySQL(ctx, name)
	default:
		return openSQLite(name)
	}
}

func openPostgres(name string) (db *bun.DB, err error) {
	if u, err := url.Parse(name); err != nil || u.Host == "" {
		return nil, cli.Usage("the URL of the PostgreSQL database can't be read")
	}
	// pgdriver panics where an option is wrong.
	defer func() {
		if recover() != nil {
			err = cli.Usage("the URL of the PostgreSQL database can't be read")
		}
	}()
	return bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(name))), pgdialect.New()), nil
}

func openMySQL(ctx context.Context, name string) (*bun.DB, error) {
	cfg, err := mysql.ParseDSN(name)
	if err != nil {
		return nil, cli.Usage("the name of the MariaDB database can't be read: it has the form mysql://user:password@tcp(host:3306)/database")
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, cli.Usage("the name of the MariaDB database has an option that can't be")
	}
	// Bun asks the server for its version at once, and panics without one.
	pool := sql.OpenDB(connector)
	if err := pool.PingContext(ctx); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("the database can't be used: %w", err)
	}
	return bun.NewDB(pool, mysqldialect.New()), nil
}

func openSQLite(name string) (*bun.DB, error) {
	// SQLite would make an empty database of a name with a slip in it.
	file, options, _ := strings.Cut(name, "?")
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		return nil, cli.Usage("there is no such SQLite file, and no other kind of database has a name like this")
	}
	if options == "" { // sqliteshim is one of two drivers, which know one of these each
		options = "_busy_timeout=10000&_pragma=busy_timeout(10000)"
	}
	pool, err := sql.Open(sqliteshim.ShimName, "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+options)
	if err != nil {
		return nil, err
	}
	return bun.NewDB(pool, sqlitedialect.New()), nil
}
