package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const usage = `usage:
  server run  [-pg 15|none] [-mariadb] [-kafka [-second]] [-pgbouncer] [-fsync] [-control] -- command [argument ...]
  server up   [-pg 15|none] [-mariadb] [-kafka [-second]] [-pgbouncer] [-fsync] [-state directory]
  server down [-state directory]
`

func main() {
	// A child's parent-death signal is bound to the thread that started it: stay on the main one, which lives longest.
	runtime.LockOSThread()
	code, err := command(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
	}
	os.Exit(code)
}

// command runs one command line. The code is the process's exit code: 0, that of the wrapped command, 1 if a server
// can't be started or stopped, 2 if the command line can't be read.
func command(args []string) (code int, err error) {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	var want wanted
	flags := flag.NewFlagSet("server "+verb, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flags.StringVar(&want.postgres, "pg", "15", "")
	flags.BoolVar(&want.mariadb, "mariadb", false, "")
	flags.BoolVar(&want.kafka, "kafka", false, "")
	flags.BoolVar(&want.second, "second", false, "")
	flags.BoolVar(&want.bouncer, "pgbouncer", false, "")
	flags.BoolVar(&want.fsync, "fsync", false, "")
	flags.BoolVar(&want.control, "control", false, "")
	state := flags.String("state", ".services", "")
	if err := flags.Parse(args); err != nil {
		return 2, nil // flags has said it
	}

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	switch {
	case verb == "run" && flags.NArg() > 0:
		return run(want, flags.Args(), signals)
	case verb == "up" && flags.NArg() == 0:
		return codeOf(up(args, *state, signals))
	case verb == "serve" && flags.NArg() == 0: // what up starts in the background
		return codeOf(serve(want, *state, signals))
	case verb == "down" && flags.NArg() == 0:
		return codeOf(down(*state))
	}
	flags.Usage()
	return 2, nil
}

func codeOf(err error) (int, error) {
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// run starts the servers, runs the command with their variables, and stops them. A signal goes to the command and to
// all that it started; the servers stop after it.
func run(want wanted, argv []string, signals <-chan os.Signal) (code int, err error) {
	endWithParent()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	servers, err := startUnless(ctx, cancel, want, signals)
	defer func() {
		if stopErr := stopAll(servers); stopErr != nil {
			code, err = max(code, 1), errors.Join(err, stopErr)
		}
	}()
	if err != nil {
		return 1, err
	}

	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	orders := make(chan order)
	for _, s := range servers {
		if !want.control {
			break
		}
		if err := s.control(orders); err != nil {
			return 1, err
		}
	}

	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	cmd.Env = append(cmd.Env, "BUNAUDIT_TEST_SERVER="+self)
	for _, s := range servers {
		cmd.Env = append(cmd.Env, s.variables()...)
		if s.listener != nil {
			cmd.Env = append(cmd.Env, s.env+"_CONTROL="+s.socket())
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("can't start the command: %w", err)
	}
	code = wait(cmd, signals, orders)
	for _, s := range servers {
		if s.hasExited() {
			return max(code, 1), fmt.Errorf("%s ended by itself during the run; the end of its log:\n%s", s.name, s.logTail())
		}
	}
	return code, nil
}

// wait passes signals on to the command's process group until the command ends, and then ends what is left of the
// group: at once, or after a signal in some seconds, so that it can clean up. Meanwhile it carries out the command's
// orders.
func wait(cmd *exec.Cmd, signals <-chan os.Signal, orders <-chan order) (code int) {
	done := ended(cmd)
	var tooLate <-chan time.Time
	signalled := false
	for {
		select {
		case sig := <-signals:
			_ = syscall.Kill(-cmd.Process.Pid, sig.(syscall.Signal))
			tooLate, signalled = time.After(20*time.Second), true
		case o := <-orders:
			o.carryOut()
		case <-tooLate:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		case <-done:
			for n := 0; signalled && n < 60 && syscall.Kill(-cmd.Process.Pid, 0) == nil; n++ {
				time.Sleep(50 * time.Millisecond)
			}
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if ok && status.Signaled() {
				return 128 + int(status.Signal())
			}
			return max(cmd.ProcessState.ExitCode(), 0)
		}
	}
}

// ended waits for a command. The channel closes when it has ended; how it ended is in the command's ProcessState.
func ended(cmd *exec.Cmd) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // ProcessState says it.
	}()
	return done
}

// startUnless starts the servers, unless a signal comes first. It returns those that it started also with an error.
func startUnless(ctx context.Context, cancel func(), want wanted, signals <-chan os.Signal) ([]*server, error) {
	started := make(chan struct{})
	defer close(started)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-started:
		}
	}()
	servers, err := start(ctx, want)
	if ctx.Err() != nil {
		return servers, errors.New("interrupted before the servers were ready")
	}
	return servers, err
}

// exports returns the lines that a shell sources to see the servers.
func exports(servers []*server) string {
	var b strings.Builder
	for _, s := range servers {
		for _, each := range s.variables() {
			name, value, _ := strings.Cut(each, "=")
			fmt.Fprintf(&b, "export %s='%s'\n", name, value)
		}
	}
	return b.String()
}
