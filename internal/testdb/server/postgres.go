package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
	_ "github.com/lib/pq" // to ask whether the server answers
)

// postgresVersions are the exact versions that a major one stands for, so that a run can be repeated.
var postgresVersions = map[string]string{
	"13": "13.22.0",
	"14": "14.19.0",
	"15": "15.14.0",
	"16": "16.10.0",
	"17": "17.6.0",
	"18": "18.1.0",
}

// clusterName tells a program that is connected that the server is ours, and may be thrown away.
const clusterName = "bunaudit"

// startPostgres starts PostgreSQL from the binaries that embedded-postgres downloads, in locale C and encoding UTF-8.
func startPostgres(ctx context.Context, version string, fsync bool) (_ *server, err error) {
	if exact, ok := postgresVersions[version]; ok {
		version = exact
	} else if strings.Count(version, ".") != 2 {
		return nil, fmt.Errorf("-pg %s is no version of PostgreSQL known here: give 13 to 18, an exact one such as 15.14.0, or none", version)
	}
	s, err := newServer("PostgreSQL "+version, syscall.SIGINT)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.stop() // The first error is the one to see.
		}
	}()
	s.stops = map[string]syscall.Signal{"fast": syscall.SIGINT, "immediate": syscall.SIGQUIT} // as pg_ctl names them

	binaries := filepath.Join(s.dir, "postgres")
	if err := unpackPostgres(version, binaries); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := s.mkdir("data")
	if err != nil {
		return nil, err
	}
	password := newPassword()
	passwordFile, err := s.write("password", password)
	if err != nil {
		return nil, err
	}
	// SCRAM hashes the password 4,096 times for each connection, which under -race costs the tests more than what they then ask.
	if err := s.tool(ctx, filepath.Join(binaries, "bin", "initdb"), "--pgdata="+data, "--no-sync", "--username=postgres",
		"--pwfile="+passwordFile, "--auth=md5", "--encoding=UTF8", "--locale=C"); err != nil {
		return nil, err
	}
	// In the file and not on the command line, so that ALTER SYSTEM can change it: the benchmark does.
	if err := appendTo(filepath.Join(data, "postgresql.conf"), fmt.Sprintf("fsync = %t\n", fsync)); err != nil {
		return nil, err
	}
	return s, s.launch(ctx, pings("postgres"), filepath.Join(binaries, "bin", "postgres"), func(port int) ([]string, error) {
		return []string{"-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "cluster_name=" + clusterName}, nil
	}, func(port int) string {
		return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", password, port)
	})
}

// unpackPostgres fetches the binaries, unless an earlier run has, and unpacks them into dir.
func unpackPostgres(version, dir string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	// The library leaves a log file in the temporary directory: make that the one that is removed.
	defer os.Setenv("TMPDIR", os.Getenv("TMPDIR")) //nolint:errcheck // It was set before.
	if err := os.Setenv("TMPDIR", filepath.Dir(dir)); err != nil {
		return err
	}
	// Its Start would go on as the user that we are, and PostgreSQL refuses root. A data directory that can't be ends
	// it between unpacking and initdb; so its error counts only where the binaries aren't there.
	err = embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(embeddedpostgres.PostgresVersion(version)).
		CachePath(filepath.Join(cache, "bunaudit", "embedded-postgres")).
		RuntimePath(dir).
		DataPath(filepath.Join(os.DevNull, "none")).
		Port(0). // It checks that the port is free, as this one always is.
		Logger(io.Discard)).Start()
	for _, binary := range []string{"initdb", "postgres"} {
		if _, statErr := os.Stat(filepath.Join(dir, "bin", binary)); statErr != nil {
			return fmt.Errorf("can't get PostgreSQL %s from Maven Central, set BUNAUDIT_TEST_POSTGRES to use a server of yours: %w", version, err)
		}
	}
	return nil
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
