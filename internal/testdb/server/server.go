package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// wanted says which servers to start.
type wanted struct {
	postgres string // a major version, an exact one, or "none"
	mariadb  bool
	kafka    bool
	second   bool // a second broker
	bouncer  bool // before the PostgreSQL
	control  bool // to be stopped and started again by the command
	fsync    bool // survive a power cut, at the price that a real server pays
}

// start starts the servers that are wanted and that no environment variable names already. With an error it returns
// those that it had started, which are the caller's to stop.
func start(ctx context.Context, want wanted) (servers []*server, err error) {
	for _, each := range []struct {
		env    string
		wanted bool
		start  func(context.Context) (*server, error)
	}{
		{"BUNAUDIT_TEST_POSTGRES", want.postgres != "none", func(ctx context.Context) (*server, error) {
			return startPostgres(ctx, want.postgres, want.fsync)
		}},
		{"BUNAUDIT_TEST_MARIADB", want.mariadb, func(ctx context.Context) (*server, error) {
			return startMariaDB(ctx, want.fsync)
		}},
		{"BUNAUDIT_TEST_KAFKA", want.kafka, func(ctx context.Context) (*server, error) {
			return startKafka(ctx, want.control, nil)
		}},
		{"BUNAUDIT_TEST_KAFKA_SECOND", want.second, func(ctx context.Context) (*server, error) {
			first := startedAs("BUNAUDIT_TEST_KAFKA", servers)
			if first == nil {
				return nil, errors.New("-second is for a cluster that is started here: give -kafka too, and leave BUNAUDIT_TEST_KAFKA unset")
			}
			return startKafka(ctx, want.control, first)
		}},
		{"BUNAUDIT_TEST_PGBOUNCER", want.bouncer, func(ctx context.Context) (*server, error) {
			return startPgBouncer(ctx, dsnOf("BUNAUDIT_TEST_POSTGRES", servers))
		}},
	} {
		if !each.wanted {
			continue
		}
		if os.Getenv(each.env) != "" {
			fmt.Fprintf(os.Stderr, "server: %s is set: using that server\n", each.env)
			continue
		}
		began := time.Now()
		s, err := each.start(ctx)
		if err != nil {
			return servers, err
		}
		s.env = each.env
		servers = append(servers, s)
		fmt.Fprintf(os.Stderr, "server: %s listens on 127.0.0.1:%d (%.1fs)\n", s.name, s.port, time.Since(began).Seconds())
	}
	return servers, nil
}

// dsnOf returns what the variable says: that of a server that was just started, or the user's.
func dsnOf(env string, started []*server) string {
	if s := startedAs(env, started); s != nil {
		return s.dsn
	}
	return os.Getenv(env)
}

// startedAs returns the server that the variable names, or nil where it was not started here.
func startedAs(env string, started []*server) *server {
	for _, s := range started {
		if s.env == env {
			return s
		}
	}
	return nil
}

// variables are what the tests are told of the server, as name=value.
func (s *server) variables() []string {
	all := []string{s.env + "=" + s.dsn}
	for _, name := range slices.Sorted(maps.Keys(s.also)) {
		all = append(all, name+"="+s.also[name])
	}
	return all
}

// stopAll stops servers in the reverse order of their starts: a broker wants to tell its controller.
func stopAll(servers []*server) error {
	var errs []error
	for _, s := range slices.Backward(servers) {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}

// server is one running server: a child process, and a directory that holds all it writes.
type server struct {
	name string // for messages, with the version
	env  string // the variable that tells the tests of it
	dsn  string // that variable's value
	port int

	also map[string]string // further variables and their values
	node kafkaNode         // of Kafka

	dir    string         // removed by stop
	tmp    string         // its own temporary directory, in dir
	quit   syscall.Signal // asks for a fast, clean stop
	cmd    *exec.Cmd
	exited <-chan struct{} // closed when the process has ended

	stops    map[string]syscall.Signal   // the ways to stop for a restart; nil: it can't be ordered
	again    func(context.Context) error // starts the process again, as it was
	listener net.Listener                // for orders, or nil
}

// newServer makes the server's directory, which stop removes.
func newServer(name string, quit syscall.Signal) (*server, error) {
	dir, err := os.MkdirTemp("", "bunaudit-")
	if err != nil {
		return nil, fmt.Errorf("can't make a directory for %s, set TMPDIR to one that can be written: %w", name, err)
	}
	s := &server{name: name, dir: dir, quit: quit}
	err = s.openUp()
	if err == nil {
		s.tmp, err = s.mkdir("tmp")
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// openUp lets the user nobody reach the directory, where that is who the server runs as.
func (s *server) openUp() error {
	if os.Geteuid() != 0 {
		return nil
	}
	// It holds binaries; what is secret is in a closed directory below.
	if err := os.Chmod(s.dir, 0o755); err != nil { //nolint:gosec // See above.
		return err
	}
	for parent := filepath.Dir(s.dir); parent != "/"; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("root's %s runs as the user nobody, who can't enter %s: set TMPDIR to a directory that all can enter, such as /tmp", s.name, parent)
		}
	}
	return nil
}

// mkdir makes a directory below the server's own, for the user that the server runs as.
func (s *server) mkdir(name string) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", err
	}
	return path, s.own(path)
}

// write writes a file that only the server may read.
func (s *server) write(name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", err
	}
	return path, s.own(path)
}

// own hands the path over to the user that the server runs as.
func (s *server) own(path string) error {
	who, err := credential()
	if err != nil || who == nil {
		return err
	}
	return os.Chown(path, int(who.Uid), int(who.Gid))
}

// credential returns the user nobody for root, and nil, which is oneself, for all others.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("servers don't run as root and there is no user nobody to run them: run this as another user: %w", err)
	}
	uid, uidErr := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(nobody.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("the user nobody has no numeric id: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// process returns a command that runs as the server's user, in its directory, in a process group of its own, and with
// none of our environment: PGDATA or MYSQL_HOME would redirect it.
func (s *server) process(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	who, err := credential()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + s.tmp, "TMPDIR=" + s.tmp}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who}
	dieWithParent(cmd.SysProcAttr, s.quit)
	return cmd, nil
}

// tool runs one of the server's tools to its end.
func (s *server) tool(ctx context.Context, name string, args ...string) error {
	cmd, err := s.process(ctx, name, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s for %s failed: %w\n%s", filepath.Base(name), s.name, err, out)
	}
	return nil
}

// launch starts the server's process on a free port and waits until it answers. The arguments and the data source name
// come from the port.
func (s *server) launch(ctx context.Context, answers probe, binary string, args func(port int) ([]string, error), dsn func(port int) string) error {
	for try := 1; ; try++ {
		err := s.launchOnce(ctx, answers, binary, args, dsn)
		// Between our finding the port free and the server's taking it, another process can.
		if err == nil || try == 3 || !s.hasExited() || !strings.Contains(s.logTail(), "ddress already in use") {
			return err
		}
	}
}

func (s *server) launchOnce(ctx context.Context, answers probe, binary string, args func(port int) ([]string, error), dsn func(port int) string) (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	s.dsn = dsn(s.port)
	argv, err := args(s.port)
	if err != nil {
		return err
	}
	s.again = func(ctx context.Context) error { return s.spawn(ctx, answers, binary, argv) }
	return s.again(ctx)
}

// spawn starts the server's process and waits until it answers.
func (s *server) spawn(ctx context.Context, answers probe, binary string, args []string) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // The server has its own handle.
	// Not the caller's context, whose end would kill the process: stop ends it, cleanly.
	cmd, err := s.process(context.WithoutCancel(ctx), binary, args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("can't start %s: %w", s.name, err)
	}
	s.cmd, s.exited = cmd, ended(cmd)
	return s.ready(ctx, answers)
}

// probe asks a server whether it is ready.
type probe func(ctx context.Context, dsn string) error

// pings returns the probe of a database, by its driver.
func pings(driver string) probe {
	return func(ctx context.Context, dsn string) error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer db.Close() //nolint:errcheck // It has done its work.
		return db.PingContext(ctx)
	}
}

func (s *server) ready(ctx context.Context, answers probe) error {
	const limit = time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for answers(ctx, s.dsn) != nil {
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended as soon as it was started; the end of its log:\n%s", s.name, s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s doesn't answer after %v; the end of its log:\n%s", s.name, limit, s.logTail())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (s *server) hasExited() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// stop ends the process and removes the directory. It is safe after a failed start.
func (s *server) stop() (err error) {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.cmd != nil && !s.hasExited() {
		_ = s.cmd.Process.Signal(s.quit)          // An error means that it has just ended.
		_ = s.cmd.Process.Signal(syscall.SIGCONT) // Where it was paused.
		select {
		case <-s.exited:
		case <-time.After(20 * time.Second):
			err = fmt.Errorf("%s did not stop in 20s and was killed", s.name)
			_ = s.cmd.Process.Kill()
			<-s.exited
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *server) logTail() string {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log")) // What can't be read is shown as nothing.
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-20):], []byte("\n")))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("no free port on 127.0.0.1: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func newPassword() string { return rand.Text() }
