package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	_ "github.com/go-sql-driver/mysql" // to ask whether the server answers
)

// startMariaDB starts the machine's MariaDB, which root has installed by apt where it is missing.
func startMariaDB(ctx context.Context, fsync bool) (_ *server, err error) {
	daemon, err := findMariaDB()
	if err != nil {
		if err = installMariaDB(ctx); err == nil {
			daemon, err = findMariaDB()
		}
	}
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
	setup := filepath.Join(s.dir, "setup.sql")
	if err := os.WriteFile(setup, fmt.Appendf(nil, "CREATE DATABASE IF NOT EXISTS bunaudit;\n"+
		"CREATE OR REPLACE USER bunaudit@'127.0.0.1' IDENTIFIED BY '%s';\n"+
		"GRANT ALL ON *.* TO bunaudit@'127.0.0.1' WITH GRANT OPTION;\n", password), 0o600); err != nil {
		return nil, err
	}
	if err := s.own(setup); err != nil {
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

// findMariaDB looks on PATH, and where Debian has daemons, which only root has on PATH.
func findMariaDB() (string, error) {
	if path, err := exec.LookPath("mariadbd"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/mariadbd")
}

// installMariaDB installs the package that has the programs but not the service, which would start a server at once.
func installMariaDB(ctx context.Context) error {
	const otherwise = "install MariaDB, or set BUNAUDIT_TEST_MARIADB to use a server of yours, or leave -mariadb out"
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return errors.New("MariaDB is missing, and only root on Debian has it installed from here: " + otherwise)
	}
	return aptInstall(ctx, otherwise, "mariadb-server-core", "mariadb-client-core")
}

// aptInstall installs packages of Debian. The error says what can be done instead.
func aptInstall(ctx context.Context, otherwise string, packages ...string) error {
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s failed, %s: %w\n%s", args[0], otherwise, err, out)
		}
	}
	return nil
}
