package main

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this test binary stand in for the command: up starts its own executable, and the tests start it too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
	}
	os.Exit(m.Run())
}

// bare takes away the servers that the environment names, and gives the test a temporary directory to look for
// leftovers in. It isn't below t.TempDir(), which the user nobody can't enter.
func bare(t *testing.T) (tmp string) {
	t.Helper()
	t.Setenv("BUNAUDIT_TEST_POSTGRES", "")
	t.Setenv("BUNAUDIT_TEST_MARIADB", "")
	t.Setenv("BUNAUDIT_TEST_KAFKA", "")
	t.Setenv("BUNAUDIT_TEST_PGBOUNCER", "")
	tmp, err := os.MkdirTemp("/tmp", "server-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	if err := os.Chmod(tmp, 0o755); err != nil { //nolint:gosec // The servers' user has to enter it.
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	return tmp
}

// self returns this command, as another process.
func self(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stderr = os.Stderr
	return cmd
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s is left in the temporary directory", entry.Name())
	}
}

func mustBeFree(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatalf("the port is not free after stop: %v", err)
	}
	_ = l.Close()
}

func query(t *testing.T, driver, dsn, text string) (answer string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(text).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestEachServerStartsTwiceAndLeavesNothing(t *testing.T) {
	for name, want := range map[string]struct {
		wanted
		driver string
	}{
		"PostgreSQL, oldest":  {wanted{postgres: "13"}, "postgres"},
		"PostgreSQL, default": {wanted{postgres: "15"}, "postgres"},
		"MariaDB":             {wanted{postgres: "none", mariadb: true}, "mysql"},
		"Kafka":               {wanted{postgres: "none", kafka: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if want.mariadb && os.Geteuid() != 0 {
				if _, err := find("mariadbd"); err != nil {
					t.Skip("MariaDB is missing, and only root has it installed")
				}
			}
			if want.kafka && os.Geteuid() != 0 {
				if _, err := find("java"); err != nil {
					t.Skip("Java is missing, and only root has it installed")
				}
			}
			tmp := bare(t)
			var both []*server
			for range 2 {
				servers, err := start(t.Context(), want.wanted)
				t.Cleanup(func() { _ = stopAll(servers) })
				if err != nil {
					t.Fatal(err)
				}
				both = append(both, servers...)
			}
			if len(both) != 2 || both[0].port == both[1].port {
				t.Fatalf("want two servers, on ports of their own; got %v", both)
			}
			for _, s := range both {
				if want.kafka {
					if err := kafkaAnswers(t.Context(), s.dsn); err != nil {
						t.Error(err)
					}
				} else if got := query(t, want.driver, s.dsn, "SELECT version()"); got == "" {
					t.Error("the server has no version")
				}
			}
			if err := stopAll(both); err != nil {
				t.Fatal(err)
			}
			for _, s := range both {
				mustBeFree(t, s.port)
			}
			mustBeEmpty(t, tmp)
		})
	}
}

func TestPgBouncerPassesEachTransactionOn(t *testing.T) {
	if _, err := exec.LookPath("/usr/sbin/pgbouncer"); err != nil && os.Geteuid() != 0 {
		t.Skip("PgBouncer is missing, and only root has it installed")
	}
	tmp := bare(t)
	servers, err := start(t.Context(), wanted{postgres: "15", bouncer: true})
	t.Cleanup(func() { _ = stopAll(servers) })
	if err != nil {
		t.Fatal(err)
	}
	if len(servers) != 2 || servers[1].env != "BUNAUDIT_TEST_PGBOUNCER" {
		t.Fatalf("want PostgreSQL and PgBouncer, got %v", servers)
	}
	const address = "SELECT current_setting('port')"
	if got, want := query(t, "postgres", servers[1].dsn, address), fmt.Sprint(servers[0].port); got != want {
		t.Errorf("PgBouncer leads to the PostgreSQL on port %s, want %s", got, want)
	}
	if err := stopAll(servers); err != nil {
		t.Fatal(err)
	}
	mustBeEmpty(t, tmp)
}

func TestPgBouncerWantsAPostgres(t *testing.T) {
	bare(t)
	if _, err := start(t.Context(), wanted{postgres: "none", bouncer: true}); err == nil || !strings.Contains(err.Error(), "BUNAUDIT_TEST_POSTGRES") {
		t.Errorf("got %v, want an error that says what to name", err)
	}
}

func TestRootsServerRunsAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("for root only")
	}
	bare(t)
	servers, err := start(t.Context(), wanted{postgres: "15"})
	t.Cleanup(func() { _ = stopAll(servers) })
	if err != nil {
		t.Fatal(err)
	}
	who, err := credential()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(servers[0].dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != who.Uid || owner == 0 {
		t.Errorf("the data belongs to user %d, want nobody, %d", owner, who.Uid)
	}
	if query(t, "postgres", servers[0].dsn, "SHOW fsync") != "off" {
		t.Error("fsync is not off")
	}
}

func TestRootIsToldOfADirectoryThatNobodyCanEnter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("for root only")
	}
	tmp := filepath.Join(bare(t), "closed")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	_, err := start(t.Context(), wanted{postgres: "15"})
	if err == nil || !strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("got %v, want an error that says to set TMPDIR", err)
	}
	mustBeEmpty(t, tmp)
}

func TestUnknownVersionIsRefused(t *testing.T) {
	bare(t)
	for _, version := range []string{"12", "", "fifteen"} {
		if _, err := start(t.Context(), wanted{postgres: version}); err == nil || !strings.Contains(err.Error(), "give 13 to 18") {
			t.Errorf("version %q: got %v, want an error that says which there are", version, err)
		}
	}
}

func TestServerOfOnesOwnIsUsed(t *testing.T) {
	bare(t)
	t.Setenv("BUNAUDIT_TEST_POSTGRES", "mine")
	out, err := self("run", "--", "sh", "-c", "echo $BUNAUDIT_TEST_POSTGRES").Output()
	if err != nil || string(out) != "mine\n" {
		t.Errorf("the command saw %q, %v; want the variable as it was", out, err)
	}
}

func TestRunExitsAsItsCommandDid(t *testing.T) {
	bare(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": 137} {
		cmd := self("run", "-pg", "none", "--", "sh", "-c", script)
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: exit code %d, want %d", script, got, want)
		}
	}
}

func TestSignalEndsTheCommandAndThenTheServers(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			tmp := bare(t)
			cmd := self("run", "--", "sh", "-c", "echo $BUNAUDIT_TEST_POSTGRES; sleep 60; true")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			port := portIn(t, line(t, out))
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("an interrupted run passed")
			}
			mustBeFree(t, port)
			mustBeEmpty(t, tmp)
		})
	}
}

func TestKilledRunLeavesNoServer(t *testing.T) {
	onLinux(t)
	bare(t)
	cmd := self("run", "--", "sh", "-c", "echo $BUNAUDIT_TEST_POSTGRES; exec sleep 60")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port := portIn(t, line(t, out))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	within10s(t, "the server still answers", func() bool { return !answers(port) })
}

// A signal to make ends the shell that a recipe runs in, and that shell tells its child nothing.
func TestRunEndsWithTheShellThatStartedIt(t *testing.T) {
	onLinux(t)
	tmp := bare(t)
	cmd := exec.Command("sh", "-c", os.Args[0]+` run -- sh -c 'echo $BUNAUDIT_TEST_POSTGRES; exec sleep 60'; true`)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port := portIn(t, line(t, out))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	within10s(t, "the server still answers", func() bool { return !answers(port) })
	within10s(t, "something is left in the temporary directory", func() bool {
		left, err := os.ReadDir(tmp)
		return err == nil && len(left) == 0
	})
}

func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child that its parent is gone")
	}
}

func answers(port int) bool {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func within10s(t *testing.T, otherwise string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise + " after 10s")
		}
	}
}

func TestSecondBrokerNeedsAFirst(t *testing.T) {
	bare(t)
	servers, err := start(t.Context(), wanted{postgres: "none", second: true})
	if len(servers) > 0 || err == nil || !strings.Contains(err.Error(), "give -kafka too") {
		t.Errorf("got %v and %v, want what is missing", servers, err)
	}
}

func TestUpAndDown(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	tmp := bare(t)
	first, err := self("up", "-state", state).Output()
	t.Cleanup(func() { _ = self("down", "-state", state).Run() })
	if err != nil {
		t.Fatal(err)
	}
	variable, dsn, _ := strings.Cut(strings.TrimSpace(string(first)), "=")
	if variable != "export BUNAUDIT_TEST_POSTGRES" {
		t.Fatalf("up printed %q, want a line to source", first)
	}
	dsn = strings.Trim(dsn, "'")
	if query(t, "postgres", dsn, "SELECT 'here'") != "here" {
		t.Error("the server doesn't answer")
	}
	if again, err := self("up", "-state", state).Output(); err != nil || string(again) != string(first) {
		t.Errorf("a second up printed %q, %v; want the same as the first", again, err)
	}
	for range 2 { // The second finds nothing to do.
		if err := self("down", "-state", state).Run(); err != nil {
			t.Fatal(err)
		}
	}
	mustBeFree(t, portIn(t, dsn))
	mustBeEmpty(t, tmp)
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the directory of a stopped server is still there, with the variables to source")
	}
}

func TestUpSaysWhyItFailed(t *testing.T) {
	bare(t)
	state := t.TempDir()
	cmd := self("up", "-state", state, "-pg", "12")
	cmd.Stderr = nil
	_, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(exit.Stderr), "give 13 to 18") {
		t.Errorf("got %v, want the reason on stderr", err)
	}
}

// line reads one line.
func line(t *testing.T, r interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	var text []byte
	for one := make([]byte, 1); ; text = append(text, one[0]) {
		if _, err := r.Read(one); err != nil {
			t.Fatalf("the command ended after %q", text)
		}
		if one[0] == '\n' {
			return string(text)
		}
	}
}

// portIn returns the port in a data source name.
func portIn(t *testing.T, dsn string) (port int) {
	t.Helper()
	_, rest, _ := strings.Cut(dsn, "@127.0.0.1:")
	if _, err := fmt.Sscanf(rest, "%d", &port); err != nil {
		t.Fatalf("no port in %q", dsn)
	}
	return port
}

// A command that was allowed to has the server stopped and started under it: what was committed is there, at the same
// address, and what was not is gone.
func TestRunRestartsAServerByOrder(t *testing.T) {
	tmp := bare(t)
	cmd := exec.Command(os.Args[0], "run", "-control", "--", os.Args[0], "-test.run=^TestOrders$", "-test.v")
	cmd.Env = append(os.Environ(), "ORDERS=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestOrders") {
		t.Fatalf("%v\n%s", err, out)
	}
	mustBeEmpty(t, tmp)
}

// TestOrders is the command of TestRunRestartsAServerByOrder.
func TestOrders(t *testing.T) {
	if os.Getenv("ORDERS") == "" {
		t.Skip("it is run by TestRunRestartsAServerByOrder")
	}
	dsn := os.Getenv("BUNAUDIT_TEST_POSTGRES")
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"fast", "immediate"} {
		before := query(t, "postgres", dsn, "SELECT pg_postmaster_start_time()::text")
		if answer := give(t, how); answer != "ok" {
			t.Fatal(answer)
		}
		if after := query(t, "postgres", dsn, "SELECT pg_postmaster_start_time()::text"); after == before {
			t.Errorf("%s: the server was not restarted", how)
		}
		query(t, "postgres", dsn, "SELECT count(*)::text FROM kept")
	}
	for _, how := range []string{"pause", "resume"} {
		if answer := give(t, how); answer != "ok" {
			t.Fatal(answer)
		}
	}
	query(t, "postgres", dsn, "SELECT count(*)::text FROM kept")
	if answer := give(t, "gently"); !strings.Contains(answer, `can't be stopped "gently"`) {
		t.Error(answer)
	}
}

func give(t *testing.T, how string) string {
	t.Helper()
	conn, err := net.Dial("unix", os.Getenv("BUNAUDIT_TEST_POSTGRES_CONTROL"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, how); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(answer)
}
