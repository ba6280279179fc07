package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// MirrorConfig says how a [Mirror] works. The zero value is good.
type MirrorConfig struct {
	// Topics are mirrored beside Config.Topic.
	Topics []string

	// Table and Schema name the table where the mirror keeps how far it is, by
	// default audit_mirror in no schema. Messages that it can't read are in a table
	// of that name with the ending _rejected.
	Table, Schema string

	// Edit changes an event before it is stored: it may note the source of the
	// message in Event.Meta, or tell tables of the same name apart. It must do the
	// same with a message every time, and is called by several goroutines at once. A
	// message for which it panics is set aside, see [Mirror.Rejected]. Nil: events
	// are stored as they are.
	Edit func(m *Message)

	// Refresh is how often the mirror looks for new partitions. 0 means 10 seconds.
	Refresh time.Duration
}

// DefaultMirrorTable is the name of the mirror's table where [MirrorConfig.Table]
// gives no other.
const DefaultMirrorTable = "audit_mirror"

// Mirror reads topics into the table of an SQL sink, where package retrieval
// answers: the history of many services in one place. Make one with [NewMirror].
//
// Each event is stored once, whatever happens and however often it arrives: how
// far the mirror is in a partition is a row of the same database, changed in the
// transaction that stores the events. Several mirrors may run on one database, and
// do the work of one. The events of one key are stored in the order of the topic.
type Mirror struct {
	db     *bun.DB
	events eventrow.Table
	state  eventrow.Table
	cfg    MirrorConfig
	topics []string
	client *client
	log    *slog.Logger

	running atomic.Bool

	mu      sync.Mutex
	figures MirrorStats
}

// NewMirror returns a mirror that stores what from's topic holds, and those of
// cfg, in the table of into in db. Of from it needs the brokers, the topic and how
// to connect. It panics where that can't work: into must have been made without
// WithDB.
func NewMirror(db *bun.DB, into *sqlsink.Sink, from Config, cfg MirrorConfig) *Mirror {
	from.Delivery, from.Table, from.Schema, from.TopicOf = Outbox, "", "", nil
	if err := from.Validate(); err != nil {
		panic(err.Error())
	}
	if db == nil || into == nil {
		panic("kafkasink: NewMirror wants a database and the sink whose table it has: one of them is nil")
	}
	tables := into.EventTables()
	if len(tables) == 0 {
		panic("kafkasink: NewMirror wants a sink without sqlsink.WithDB: the database is the one that it is given")
	}
	if cfg.Table == "" {
		cfg.Table = DefaultMirrorTable
	}
	if cfg.Refresh <= 0 {
		cfg.Refresh = 10 * time.Second
	}
	m := &Mirror{db: db, events: eventrow.Table(tables[0]), state: eventrow.Table{Schema: cfg.Schema, Name: cfg.Table}, cfg: cfg}
	if err := m.state.Validate(); err != nil {
		panic("kafkasink: MirrorConfig.Table or MirrorConfig.Schema: " + err.Error())
	}
	for _, topic := range cfg.Topics {
		if !isTopicName(topic) {
			panic("kafkasink: MirrorConfig.Topics has " + notATopic(topic))
		}
	}
	from = from.withDefaults()
	m.topics = slices.Compact(slices.Sorted(slices.Values(append([]string{from.Topic}, cfg.Topics...))))
	m.client = newClient(from)
	m.client.topics = m.topics
	m.log = from.Log
	m.figures.Lag = make(map[Partition]int64)
	return m
}

// Partition names a partition of a topic.
type Partition struct {
	Topic     string
	Partition int
}

// MirrorStats is what a mirror has done since it was made.
type MirrorStats struct {
	// Stored counts the events that were stored, Duplicates those that were there
	// already, Rejected the messages that could not be read.
	Stored, Duplicates, Rejected int64

	// Lag is how many messages of each partition were not stored yet when it was
	// last read.
	Lag map[Partition]int64

	// LastError is the last error, of the database or the brokers, and LastErrorAt
	// when it was. They stay when it is over.
	LastError   error
	LastErrorAt time.Time
}

// Stats returns what the mirror has done.
func (m *Mirror) Stats() MirrorStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.figures
	s.Lag = maps.Clone(s.Lag)
	return s
}

// Run mirrors until ctx ends, and returns nil then. What fails for a while is
// logged, shown by [Mirror.Stats], and tried again. It returns an error where it
// can't go on without leaving something out: [ErrGap], [ErrRecreated] or
// [ErrCompacted]; and where this mirror is running already.
func (m *Mirror) Run(ctx context.Context) error {
	if !m.running.CompareAndSwap(false, true) {
		return errors.New("kafkasink: run mirror: it is running already")
	}
	defer m.running.Store(false)
	defer m.client.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var readers sync.WaitGroup
	started := make(map[Partition]bool)
	for tries := 0; ctx.Err() == nil; {
		partitions, err := m.partitions(ctx)
		if errors.Is(err, ErrCompacted) {
			cancel(err)
			break
		}
		if err != nil {
			m.failed(ctx, "kafkasink: can't list the partitions to mirror", err)
			tries++
		} else {
			tries = 0
		}
		for _, p := range partitions {
			if started[p] {
				continue
			}
			started[p] = true
			readers.Go(func() {
				if err := m.mirror(ctx, p); err != nil {
					cancel(err) // all stop
				}
			})
		}
		wait := m.cfg.Refresh
		if tries > 0 {
			wait = min(wait, backoff(tries, maxMirrorBackoff))
		}
		pause(ctx, wait, nil)
	}
	readers.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("kafkasink: mirror: %w", err)
	}
	return nil
}

// maxMirrorBackoff bounds the time between two tries of what fails for a while.
const maxMirrorBackoff = 10 * time.Second

// partitions lists what there is to mirror, also where a topic can't be had.
func (m *Mirror) partitions(ctx context.Context) ([]Partition, error) {
	s, err := m.client.fresh(ctx, m.topics)
	if err != nil {
		return nil, m.client.explain(err)
	}
	defer s.close()
	var all []Partition
	var errs []error
	for _, topic := range m.topics {
		info, err := s.layout(ctx, topic)
		if err != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", topic, m.client.explain(err)))
			continue
		}
		for n := range info.partitions {
			all = append(all, Partition{topic, n})
		}
	}
	return all, errors.Join(errs...)
}

func (m *Mirror) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	m.figures.LastError, m.figures.LastErrorAt = err, time.Now()
	m.mu.Unlock()
	m.log.WarnContext(ctx, what, "error", err)
}
