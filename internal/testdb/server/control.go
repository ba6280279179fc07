package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// order is a request to stop a server and start it again, made by run's command. It is carried out by run, on the thread
// that servers are bound to.
type order struct {
	server *server
	how    string // a key of server.stops
	reply  chan<- error
}

// control listens for orders on a socket in the server's directory: a line that says how to stop, answered by a line
// when the server is ready again.
func (s *server) control(orders chan<- order) error {
	l, err := net.Listen("unix", s.socket())
	if err != nil {
		return err
	}
	s.listener = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // stop has closed it
			}
			s.take(conn, orders)
		}
	}()
	return nil
}

func (s *server) socket() string { return filepath.Join(s.dir, "control") }

func (s *server) take(conn net.Conn, orders chan<- order) {
	defer conn.Close() //nolint:errcheck // Who has gone has no use for the answer.
	how, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil {
		reply := make(chan error, 1)
		orders <- order{s, strings.TrimSpace(how), reply}
		err = <-reply
	}
	answer := "ok"
	if err != nil {
		answer = strings.ReplaceAll(err.Error(), "\n", " ")
	}
	_, _ = fmt.Fprintln(conn, answer)
}

// carryOut ends the server as the order says, and starts it again at the same address; or it has it stand still, as a machine
// that hangs, until it may go on.
func (o order) carryOut() {
	switch o.how {
	case "pause":
		o.reply <- o.server.cmd.Process.Signal(syscall.SIGSTOP)
	case "resume":
		o.reply <- o.server.cmd.Process.Signal(syscall.SIGCONT)
	default:
		o.reply <- o.server.restart(o.how)
	}
}

func (s *server) restart(how string) error {
	sig, ok := s.stops[how]
	if !ok {
		return fmt.Errorf("%s can't be stopped %q", s.name, how)
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !s.hasExited() {
		return err
	}
	select {
	case <-s.exited:
		return s.again(context.Background())
	case <-time.After(20 * time.Second):
		return fmt.Errorf("%s did not stop in 20s", s.name)
	}
}
