package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The state directory holds three files: lock, with the process id of the server command that holds its lock; env, with
// the variables to export, once the servers are ready; and log. Who can take the lock knows that nothing is up, so that
// a process id from before a crash is never taken for a running one. Down removes the directory, unless there is more in it.

// up starts this command again as serve, in the background, and waits until the servers are ready.
func up(flags []string, state string, signals <-chan os.Signal) error {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return fmt.Errorf("can't make the state directory: %w", err)
	}
	env := filepath.Join(state, "env")
	lock, err := takeLock(state)
	if errors.Is(err, errLocked) {
		lines, err := os.ReadFile(env)
		if err != nil {
			return fmt.Errorf("servers are starting or stopping just now, try again in some seconds: %w", err)
		}
		fmt.Fprintln(os.Stderr, "server: servers are up already, stop them by down to change them")
		fmt.Print(string(lines))
		return nil
	}
	if err != nil {
		return err
	}
	// Whatever is left of an earlier run is not ours.
	if err := errors.Join(removeFile(env), lock.Close()); err != nil {
		return err
	}

	self, err := os.Executable()
	if err != nil {
		return err
	}
	logName := filepath.Join(state, "log")
	log, err := os.OpenFile(logName, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // The child has its own handle.
	cmd := exec.Command(self, append([]string{"serve"}, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := ended(cmd)
	for {
		if lines, err := os.ReadFile(env); err == nil {
			fmt.Print(string(lines))
			return nil
		}
		select {
		case <-signals:
			_ = cmd.Process.Signal(syscall.SIGTERM) // An error means that it has just ended.
			<-exited
			return errors.New("interrupted before the servers were ready")
		case <-exited:
			said, _ := os.ReadFile(logName) // What can't be read is shown as nothing.
			return fmt.Errorf("the servers did not start:\n%s", said)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// serve runs the servers until a signal comes or one of them ends.
func serve(want wanted, state string, signals <-chan os.Signal) (err error) {
	lock, err := takeLock(state)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // The process's end closes it too.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	servers, err := startUnless(ctx, cancel, want, signals)
	env := filepath.Join(state, "env")
	defer func() { err = errors.Join(err, removeFile(env), stopAll(servers)) }()
	if err != nil {
		return err
	}
	// Written whole under another name first: up reads it as soon as it is there.
	if err := os.WriteFile(env+".new", []byte(exports(servers)), 0o600); err != nil {
		return err
	}
	if err := os.Rename(env+".new", env); err != nil {
		return err
	}
	first := make(chan *server, len(servers))
	for _, s := range servers {
		go func() { <-s.exited; first <- s }()
	}
	select {
	case <-signals:
		return nil
	case s := <-first:
		return fmt.Errorf("%s ended by itself; the end of its log:\n%s", s.name, s.logTail())
	}
}

// down stops what up started, and returns when it is gone.
func down(state string) error {
	if _, err := os.Stat(state); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "server: nothing is up")
		return nil
	}
	signalled := false
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		lock, err := takeLock(state)
		if err == nil {
			if !signalled {
				fmt.Fprintln(os.Stderr, "server: nothing is up")
			}
			return errors.Join(removeState(state), lock.Close())
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil // Another down was faster.
		}
		if !errors.Is(err, errLocked) {
			return err
		}
		if signalled {
			continue
		}
		text, err := os.ReadFile(filepath.Join(state, "lock"))
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || pid <= 1 {
			continue // Locked, but not yet written.
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("can't stop the servers, whose process is %d: %w", pid, err)
		}
		signalled = true
	}
	return fmt.Errorf("the servers have not stopped after a minute: see %s", filepath.Join(state, "log"))
}

// removeState removes what up and serve have written. The caller holds the lock.
func removeState(state string) error {
	for _, name := range []string{"env", "log", "lock"} {
		if err := removeFile(filepath.Join(state, name)); err != nil {
			return err
		}
	}
	_ = os.Remove(state) // What is in it besides isn't ours.
	return nil
}

var errLocked = errors.New("servers are up already: stop them by down")

// takeLock takes the state directory's lock and writes our process id into it. It is given back by Close.
func takeLock(state string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(state, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, errors.Join(err, lock.Close())
	}
	// Who held it may have removed the file since we opened it: then it locks nothing.
	ours, err := lock.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(lock.Name()); errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(ours, there) {
			err = errLocked
		}
	}
	if err == nil {
		err = lock.Truncate(0)
	}
	if err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func removeFile(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
