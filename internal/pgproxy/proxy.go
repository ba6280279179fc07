package pgproxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy passes connections on to a PostgreSQL server. It is made by [Start].
type Proxy struct {
	dsn      string
	server   string
	delay    time.Duration
	listener net.Listener
	trips    atomic.Int64
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{} // of both sides
}

// Start listens on a free port of the loopback interface and passes what
// connects there on to the server that dsn, a URL, names. Each answer of the
// server arrives later by delay; 0 adds nothing but the proxy's own cost, some
// 30 µs. The caller closes the proxy.
func Start(dsn string, delay time.Duration) (*Proxy, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return nil, errors.New("pgproxy: start: the data source name is not a URL with a host") // err would show the password
	}
	server := u.Host
	if u.Port() == "" {
		server = net.JoinHostPort(u.Hostname(), "5432")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("pgproxy: start: %w", err)
	}
	u.Host = listener.Addr().String()
	p := &Proxy{dsn: u.String(), server: server, delay: delay, listener: listener, open: make(map[net.Conn]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// DSN is the data source name that was given to Start, by way of the proxy.
func (p *Proxy) DSN() string { return p.dsn }

// RoundTrips is how many round trips there were, on all connections since the
// start.
func (p *Proxy) RoundTrips() int64 { return p.trips.Load() }

// Close ends all connections, and returns when nothing of the proxy runs any
// more. It may be called again.
func (p *Proxy) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	var err error
	if first {
		err = p.listener.Close()
	}
	for c := range p.open {
		_ = c.Close() // Only to make its readers and writers return.
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		if !p.keep(client) {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

// keep lets Close end c. After Close it ends c at once, and reports false.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close() // Whatever it was in the middle of is over.
}

// serve passes on what both sides of one connection say, until one hangs up.
func (p *Proxy) serve(client net.Conn) {
	defer p.drop(client)
	first, err := startup(client)
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil || !p.keep(server) {
		return // The client sees that it is hung up on.
	}
	defer p.drop(server)
	if _, err := server.Write(first); err != nil {
		return
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		_, _ = io.Copy(server, client) // Its end is all that there is to know.
		_ = server.Close()
	})
	p.answers(client, server)
	_ = client.Close()
	wait.Wait()
}

// The codes of the first message with which a client asks for encryption.
const (
	askTLS    = 80877103
	askGSSAPI = 80877104
)

// startup reads the head of the client's start-up message, after declining
// encryption where it asks for it.
func startup(client net.Conn) ([]byte, error) {
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(client, head); err != nil {
			return nil, err
		}
		if code := binary.BigEndian.Uint32(head[4:]); code != askTLS && code != askGSSAPI {
			return head, nil
		}
		if _, err := client.Write([]byte("N")); err != nil {
			return nil, err
		}
	}
}

// chunk is a piece of an answer, and when the client may have it.
type chunk struct {
	bytes []byte
	due   time.Time
}

// answers passes on what the server says. Reading doesn't wait for the delayed
// writing: a long answer is late once, and not once for each packet.
func (p *Proxy) answers(client, server net.Conn) {
	late := make(chan chunk, 1024)
	var wait sync.WaitGroup
	wait.Go(func() {
		gone := false
		for c := range late {
			time.Sleep(time.Until(c.due))
			if gone {
				continue
			}
			if _, err := client.Write(c.bytes); err != nil {
				gone = true
				_ = server.Close() // Ends the reading.
			}
		}
	})
	defer wait.Wait()
	defer close(late)
	turns := turns{count: func() { p.trips.Add(1) }}
	for {
		buf := make([]byte, 16<<10)
		n, err := server.Read(buf)
		if n > 0 {
			turns.see(buf[:n])
			late <- chunk{buf[:n], time.Now().Add(p.delay)}
		}
		if err != nil {
			return
		}
	}
}
