package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
)

// startPgBouncer starts the machine's PgBouncer, which root has installed by apt where it is missing, before the
// PostgreSQL that dsn names. It pools by transaction, and passes every database of the server on.
func startPgBouncer(ctx context.Context, dsn string) (_ *server, err error) {
	upstream, err := url.Parse(dsn)
	if err != nil || upstream.Hostname() == "" || upstream.Port() == "" {
		return nil, errors.New("-pgbouncer wants a PostgreSQL to pass on to: leave -pg none out, or name one in BUNAUDIT_TEST_POSTGRES, with its port")
	}
	binary, err := findOrInstall(ctx, "pgbouncer", "set BUNAUDIT_TEST_PGBOUNCER to use one of yours, or leave -pgbouncer out", "pgbouncer")
	if err != nil {
		return nil, err
	}
	s, err := newServer("PgBouncer", syscall.SIGINT)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.stop() // The first error is the one to see.
		}
	}()
	password, _ := upstream.User.Password()
	users, err := s.write("users", fmt.Sprintf("%s %s\n", inBouncer(upstream.User.Username()), inBouncer(password)))
	if err != nil {
		return nil, err
	}
	return s, s.launch(ctx, pings("postgres"), binary, func(port int) ([]string, error) {
		file, err := s.write("pgbouncer.ini", fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = md5
auth_file = %s
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
`, upstream.Hostname(), upstream.Port(), port, users))
		return []string{file}, err
	}, func(port int) string {
		down := *upstream
		down.Host = fmt.Sprintf("127.0.0.1:%d", port)
		return down.String()
	})
}

// inBouncer quotes a word for PgBouncer's file of users.
func inBouncer(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
