package main

import "github.com/sqlaudit/bun/bunaudit/cmd/bunaudit/cli"

func main() { cli.Main(config()) }

func config() cli.Config {
	return cli.Config{Name: "bunaudit", Open: open, Databases: databases}
}
