package kafkasink

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// session is a client of kafka-go with connections of its own, and what it knows of
// the cluster: which broker leads what.
type session struct {
	*kafka.Client
	transport *kafka.Transport
	opened    time.Time
}

// metadataTTL is how old what a session knows may become while nothing fails.
const metadataTTL = time.Minute

// open returns a session that connects to one of these brokers when it is used, and
// knows of these topics, or of all where they are nil.
func (c *client) open(brokers, topics []string) *session {
	transport := &kafka.Transport{
		TLS: c.cfg.TLS, SASL: c.cfg.SASL, ClientID: c.cfg.ClientID,
		DialTimeout: c.cfg.Timeout, MetadataTTL: metadataTTL, MetadataTopics: topics,
	}
	// The timeout is twice the broker's: an answer that says "timed out" is better than none.
	return &session{&kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: c.cfg.Timeout}, transport, time.Now()}
}

// close ends the connections: at once those that are idle, the others when they are.
func (s *session) close() { s.transport.CloseIdleConnections() }

// patience is how long a broker may be silent before others go on without it: the next one
// is asked as well, and events of other partitions are published.
const patience = 250 * time.Millisecond

// fresh returns a session with which a broker has just answered. It asks all of
// Config.Brokers, one after the other, and takes the first that answers, so that one
// that is down or silent doesn't keep it for long.
func (c *client) fresh(ctx context.Context, topics []string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()

	type answer struct {
		from *session
		err  error
	}
	brokers := c.inTurn()
	answers := make(chan answer, len(brokers))
	var won sync.Once
	ask := func(broker string) {
		s := c.open([]string{broker}, topics)
		_, err := s.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
		first := false
		if err == nil {
			won.Do(func() { first = true })
		}
		if first {
			c.mu.Lock()
			c.answered = broker
			c.mu.Unlock()
		} else {
			s.close()
		}
		if first || err != nil {
			answers <- answer{s, err}
		}
	}
	var errs []error
	for len(errs) < len(c.cfg.Brokers) {
		var next <-chan time.Time
		if len(brokers) > 0 {
			broker := brokers[0]
			brokers = brokers[1:]
			all.Go(func() { ask(broker) })
			if len(brokers) > 0 {
				next = time.After(patience)
			}
		}
		select {
		case a := <-answers:
			if a.err == nil {
				return a.from, nil
			}
			errs = append(errs, a.err)
		case <-next:
		}
	}
	return nil, errors.Join(errs...)
}

// inTurn returns Config.Brokers in the order in which to ask them: at random, but the one
// first that was the last to answer.
func (c *client) inTurn() []string {
	brokers := slices.Clone(c.cfg.Brokers)
	rand.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(brokers, c.answered); i > 0 {
		brokers[0], brokers[i] = brokers[i], brokers[0]
	}
	return brokers
}

// session returns the one that is in use.
func (c *client) session() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		brokers := c.cfg.Brokers
		if c.answered != "" { // of the others one may be silent
			brokers = []string{c.answered}
		}
		c.current = c.open(brokers, c.topics)
	}
	return c.current
}

// renewal is the making of another session.
type renewal struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// renew has the session replaced by one that knows the cluster as it is now: kafka-go
// asks again only when its copy is old, not when a broker says that it leads a
// partition no longer. Until then what uses the old one goes on with it, since one
// broker that fails is no reason to keep the others. Many partitions may fail at once,
// so it does so at most every 50 milliseconds.
func (c *client) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.renewing != nil || time.Since(c.renewed) < 50*time.Millisecond {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &renewal{cancel, make(chan struct{})}
	c.renewing = r
	go func() { // it ends within Config.Timeout, or with close
		defer close(r.done)
		defer cancel()
		s, err := c.fresh(ctx, c.topics)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.renewing == r {
			c.renewing, c.renewed = nil, time.Now()
		} else if err == nil {
			s.close() // we are closed
			return
		}
		if err == nil {
			if c.current != nil {
				c.current.close()
			}
			c.current = s
		}
	}()
}

// close ends all connections. The client may be used again.
func (c *client) close() {
	c.mu.Lock()
	s, r := c.current, c.renewing
	c.current, c.renewing = nil, nil
	c.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.done
	}
	if s != nil {
		s.close()
	}
}
