package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// Sink hands events on to Kafka, by way of the outbox or directly. It implements
// [sink.Tabled], [sink.Checker] and [sink.CommitListener]. Make one with [New];
// it is safe for concurrent use.
type Sink struct {
	cfg    Config
	client *client

	// store writes to the outbox: that is an SQL sink whose table is a queue.
	store *sqlsink.Sink

	notify *notifier // or nil

	mu     sync.RWMutex
	relays []chan<- struct{} // what wakes the relays of this process
}

var (
	_ sink.Tabled         = (*Sink)(nil)
	_ sink.Checker        = (*Sink)(nil)
	_ sink.CommitListener = (*Sink)(nil)
)

// New returns a sink for the topic that cfg names. It touches neither the
// brokers nor the database. It panics where the configuration can't work;
// [Config.Validate] says the same without a panic.
func New(cfg Config) *Sink {
	if err := cfg.Validate(); err != nil {
		panic(err.Error())
	}
	cfg = cfg.withDefaults()
	s := &Sink{cfg: cfg, client: newClient(cfg), notify: newNotifier(cfg)}
	if cfg.Delivery == Outbox {
		s.store = sqlsink.New(sqlsink.Table(cfg.Table), sqlsink.Schema(cfg.Schema))
	}
	return s
}

// Write stores the events in the outbox, in order, all or none, through tx
// alone; or it publishes them, with [Direct] delivery. It implements
// [sink.Sink].
func (s *Sink) Write(ctx context.Context, tx sink.Tx, events []sink.Event) error {
	if s.cfg.Delivery == Direct {
		if err := s.publish(ctx, events); err != nil {
			return fmt.Errorf("kafkasink: publish events: %w", err)
		}
		return nil
	}
	if err := s.store.Write(ctx, tx, events); err != nil {
		return fmt.Errorf("kafkasink: write to outbox: %w", err)
	}
	return nil
}

// EventTables implements [sink.Tabled]: the outbox, or none with [Direct]
// delivery.
func (s *Sink) EventTables() []sink.Table {
	if s.cfg.Delivery == Direct {
		return nil
	}
	return s.store.EventTables()
}

// Explain implements [sink.Tabled].
func (s *Sink) Explain(err error) error {
	if s.cfg.Delivery == Direct {
		return nil
	}
	if explained := s.store.Explain(err); explained != nil {
		return fmt.Errorf("kafkasink: write to outbox: %w", explained)
	}
	return nil
}

// Committed implements [sink.CommitListener]: it wakes the relays of this
// process, and those of others where [Config.Notify] says so.
func (s *Sink) Committed(context.Context) {
	if s.notify != nil {
		s.notify.committed()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, wake := range s.relays {
		signal(wake) // unless it is going to look already
	}
}

// listen has wake receive a value after commits, until the function that it
// returns is called.
func (s *Sink) listen(wake chan<- struct{}) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relays = append(s.relays, wake)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		kept := make([]chan<- struct{}, 0, len(s.relays))
		for _, other := range s.relays {
			if other != wake {
				kept = append(kept, other)
			}
		}
		s.relays = kept
	}
}

// Check reports whether the outbox is there with all columns; with [Direct]
// delivery, whether the topic can take events. It implements [sink.Checker].
// What a relay needs is checked by [Relay.Check].
func (s *Sink) Check(ctx context.Context, tx sink.Tx) error {
	if s.cfg.Delivery == Direct {
		_, err := s.client.checkTopic(ctx, s.cfg.Topic)
		return err
	}
	if err := s.store.Check(ctx, tx); err != nil {
		return fmt.Errorf("kafkasink: check outbox: %w", err)
	}
	return nil
}

var errDirect = errors.New("kafkasink: the sink has Direct delivery, which has no outbox")
