package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"

	_ "github.com/go-sql-driver/mysql" // to ask whether the server answers
)

// startMariaDB starts the machine's MariaDB, which root has installed by apt where it is missing.
func startMariaDB(ctx context.Context, fsync bool) (_ *server, err error) {
	// The packages that have the programs but not the service, which would start a server at once.
	daemon, err := findOrInstall(ctx, "mariadbd", "set BUNAUDIT_TEST_MARIADB to use a server of yours, or leave -mariadb out",
		"mariadb-server-core", "mariadb-client-core")
	if err != nil {
		return nil, err
	}
	s, err := newServer("MariaDB", syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.stop() // The first error is the one to see.
		}
	}()

	s.stops = map[string]syscall.Signal{"fast": syscall.SIGTERM, "immediate": syscall.SIGKILL}
	data, err := s.mkdir("data")
	if err != nil {
		return nil, err
	}
	if err := s.tool(ctx, "mariadb-install-db", "--no-defaults", "--datadir="+data, "--skip-test-db"); err != nil {
		return nil, err
	}
	password := newPassword()
	setup, err := s.write("setup.sql", fmt.Sprintf("CREATE DATABASE IF NOT EXISTS bunaudit;\n"+
		"CREATE OR REPLACE USER bunaudit@'127.0.0.1' IDENTIFIED BY '%s';\n"+
		"GRANT ALL ON *.* TO bunaudit@'127.0.0.1' WITH GRANT OPTION;\n", password))
	if err != nil {
		return nil, err
	}
	// Each CREATE and DROP waits for the disk several times, whatever is said of commits.
	durability := []string{"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--debug-no-sync"}
	if fsync {
		durability = []string{"--innodb-flush-log-at-trx-commit=1"}
	}
	return s, s.launch(ctx, pings("mysql"), daemon, func(port int) ([]string, error) {
		return append([]string{"--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port),
			"--socket=" + filepath.Join(data, "socket"), "--pid-file=" + filepath.Join(data, "pid"), "--init-file=" + setup,
			"--skip-name-resolve", "--max-connections=200"}, durability...), nil
	}, func(port int) string {
		return fmt.Sprintf("bunaudit:%s@tcp(127.0.0.1:%d)/bunaudit", password, port)
	})
}
