package kafkasink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"
)

// topicState is what a relay knows of a topic.
type topicState struct {
	partitions []int // the numbers of the partitions
	checked    time.Time
}

// recheck is how often a relay looks whether a topic has changed.
const recheck = time.Minute

// isDue reports whether the topic is to be looked at again.
func (s *topicState) isDue() bool { return time.Since(s.checked) >= recheck }

type topicRow struct {
	bun.BaseModel `bun:"table:audit_outbox_topics,alias:t"`

	Topic      string `bun:"topic,pk"`
	Partitions int64  `bun:"partitions"`
}

// topic returns what is known of a topic, or nil where nothing is published to it in this
// pass: also when it is known in the middle of that, since events were left out by then.
// What is old is used until the cluster has been asked again, which may take long.
func (r *Relay) topic(ctx context.Context, name string, stopped map[place]bool) *topicState {
	whole := place{name, wholeTopic}
	if stopped[whole] {
		return nil
	}
	state := r.known(name)
	if state != nil && (!state.isDue() || r.left[whole] != nil) {
		return state
	}
	if r.left[whole] != nil { // it was known when this pass began
		stopped[whole] = true
		return nil
	}
	w := r.newWave(stopped)
	w.fly(whole, func() ([]int64, bool) { return nil, r.look(ctx, whole) })
	if state != nil {
		w.leave(w.going...)
		delete(stopped, whole)
		return state
	}
	w.settle(0)
	if stopped[whole] {
		return nil
	}
	return r.known(name)
}

func (r *Relay) known(topic string) *topicState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.topics[topic]
}

// look asks the cluster for a topic, and reports whether it is one to publish to. Where
// the cluster can't be asked, what was known has to do.
func (r *Relay) look(ctx context.Context, whole place) bool {
	state, err := r.describe(ctx, whole.topic)
	isNo := errors.Is(err, ErrNoTopic) || errors.Is(err, ErrNotAllowed) || errors.Is(err, ErrCompacted) || errors.Is(err, ErrPartitions)
	r.mu.Lock()
	was := r.topics[whole.topic]
	goesOn := err != nil && !isNo && was != nil
	switch {
	case err == nil:
		r.topics[whole.topic] = state
	case goesOn:
		r.topics[whole.topic] = &topicState{partitions: was.partitions, checked: time.Now()}
	default:
		delete(r.topics, whole.topic)
	}
	r.mu.Unlock()
	switch {
	case err == nil:
		r.resume(ctx, whole)
	case goesOn:
		r.failed(ctx, "kafkasink: can't ask for the topic for now", err)
	default:
		r.halt(ctx, whole, err)
		return false
	}
	return true
}

// describe returns what the cluster says of a topic, or why nothing may be published
// to it.
func (r *Relay) describe(ctx context.Context, name string) (*topicState, error) {
	info, err := r.sink.client.describe(ctx, name)
	if err == nil {
		err = info.blocking()
	}
	if err == nil {
		err = r.samePartitions(ctx, name, info.partitions)
	}
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", name, err)
	}
	risk := info.risky(r.sink.cfg.MaxBatchBytes)
	state := &topicState{partitions: info.numbers(), checked: time.Now()}
	r.mu.Lock()
	isNews := risk != nil && !r.warned[name]
	r.warned[name] = risk != nil
	r.mu.Unlock()
	if isNews {
		r.log.WarnContext(ctx, "kafkasink: the topic could be configured better", "topic", name, "error", risk)
	}
	return state, nil
}

// doubt has a topic looked at again after a failure: it may be another one by now. Until
// it was, what has failed isn't tried again. A timeout can't come of that.
func (r *Relay) doubt(topic string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch state := r.topics[topic]; {
	case state == nil || isTimeout(why):
	case errors.Is(why, kafka.UnknownTopicOrPartition):
		delete(r.topics, topic)
	default:
		r.topics[topic] = &topicState{partitions: state.partitions}
	}
}

// forgetTopic has a topic looked at before anything is published to it.
func (r *Relay) forgetTopic(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.topics, name)
}

// samePartitions compares the number of partitions with the one that was noted
// when the first event was published, or notes it.
func (r *Relay) samePartitions(ctx context.Context, topic string, partitions int) error {
	known, err := r.notedPartitions(ctx, topic)
	switch {
	case isNoRows(err):
		return r.notePartitions(ctx, topic, partitions)
	case err != nil:
		return err
	case known != partitions:
		return otherPartitions(partitions, known)
	}
	return nil
}

func otherPartitions(now, noted int) error {
	return fmt.Errorf("%w: it has %d and had %d: consume what is in it, and call Relay.AcceptPartitions", ErrPartitions, now, noted)
}

func (r *Relay) notedPartitions(ctx context.Context, topic string) (int, error) {
	row := topicRow{Topic: topic}
	err := r.db.NewSelect().Model(&row).ModelTableExpr("? AS t", r.sink.table(topicsEnding).Expr()).WherePK().Scan(ctx)
	return int(row.Partitions), err
}

func (r *Relay) notePartitions(ctx context.Context, topic string, partitions int) error {
	table := r.sink.table(topicsEnding).Expr()
	row := topicRow{Topic: topic, Partitions: int64(partitions)}
	return r.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model(&row).ModelTableExpr("?", table).Where("topic = ?", topic).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewInsert().Model(&row).ModelTableExpr("?", table).Exec(ctx)
		return err
	})
}

// AcceptPartitions notes the number of partitions that a topic has now. Events
// of a row may be in another partition from then on, so it is for when consumers
// have read what is in the topic, or don't mind. The relay goes on by itself.
func (r *Relay) AcceptPartitions(ctx context.Context, topic string) error {
	info, err := r.sink.client.describe(ctx, topic)
	if err == nil {
		err = r.notePartitions(ctx, topic, info.partitions)
	}
	if err != nil {
		return fmt.Errorf("kafkasink: accept partitions of topic %s: %w", topic, err)
	}
	r.forgetTopic(topic)
	return nil
}
