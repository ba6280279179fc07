package kafkasink

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// stop is a partition, or a topic, that can't be written to for now.
type stop struct {
	since, until time.Time
	tries        int
	err          error
}

// publish publishes a page and returns the rows that are done with: acknowledged,
// or gone to the dead letters. Events of the places in stopped it leaves out; it
// adds those where it fails, so that no later event of theirs is published in this
// pass.
func (r *Relay) publish(ctx context.Context, events []outgoing, stopped map[place]bool) (acked []int64) {
	var order []place
	groups := make(map[place][]*outgoing)
	for i := range events {
		e := &events[i]
		if e.bad != nil {
			if r.bury(ctx, e, e.bad) {
				acked = append(acked, e.seq)
			}
			continue
		}
		at, ok := r.placeOf(ctx, e, stopped)
		if !ok {
			continue
		}
		if groups[at] == nil {
			order = append(order, at)
		}
		groups[at] = append(groups[at], e)
	}

	w := r.newWave(stopped)
	for _, at := range order {
		w.fly(at, func() ([]int64, bool) {
			done := r.publishPartition(ctx, at, groups[at], w.moved)
			return done, len(done) == len(groups[at])
		})
	}
	w.settle(0)
	return append(acked, w.done...)
}

// placeOf returns the partition of an event, unless it can't be written to.
func (r *Relay) placeOf(ctx context.Context, e *outgoing, stopped map[place]bool) (place, bool) {
	if ctx.Err() != nil {
		return place{}, false
	}
	topic := r.topic(ctx, e.topic, stopped)
	if topic == nil {
		return place{}, false
	}
	at := place{e.topic, partitionOf(e.record.key(), topic.partitions)}
	if topic.isDue() && r.hasFailed(at) {
		stopped[at] = true
	}
	return at, !stopped[at]
}

// publishPartition publishes events of one partition in their order, batch after
// batch, up to the first that fails. It returns the rows that are done with, and has
// moved told of each batch.
func (r *Relay) publishPartition(ctx context.Context, at place, events []*outgoing, moved chan<- struct{}) (done []int64) {
	records := make([]record, len(events))
	for i, e := range events {
		records[i] = e.record
	}
	most := len(events) // in a batch
	for len(events) > 0 && ctx.Err() == nil && r.lease.held() {
		batch := fitting(records[:min(most, len(records))], r.sink.cfg.MaxBatchBytes)
		n := len(batch)
		err := r.produce(ctx, at, batch)
		switch {
		case err == nil:
			r.figures.published(ctx, events[:n])
			r.resume(ctx, at)
			most = min(2*most, r.cfg.Batch)
		case isPermanent(err) && n > 1:
			most = n / 2 // one of them is to blame, or they are too large together
			continue
		case isPermanent(err):
			if !r.bury(ctx, events[0], err) {
				return done
			}
		default:
			r.doubt(at.topic, err)
			r.halt(ctx, at, err)
			return done
		}
		signal(moved)
		for _, e := range events[:n] {
			done = append(done, e.seq)
		}
		events, records = events[n:], records[n:]
	}
	return done
}

func (r *Relay) produce(ctx context.Context, at place, records []record) error {
	ctx, cancel := r.grace(ctx)
	defer cancel()
	err := r.sink.client.produce(ctx, at, records)
	return r.sink.client.explainHangUp(ctx, at, records, err)
}

// halt notes that a place can't be written to, and when to try again.
func (r *Relay) halt(ctx context.Context, at place, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	s := r.stops[at]
	if s == nil {
		s = &stop{since: time.Now()}
		r.stops[at] = s
	}
	s.tries++
	s.err = err
	wait := backoff(s.tries, r.cfg.MaxBackoff)
	s.until = time.Now().Add(wait)
	r.mu.Unlock()
	r.figures.retried(ctx)
	what := at.String()
	if at.partition == wholeTopic {
		what = "topic " + at.topic
	}
	r.failed(ctx, "kafkasink: can't publish for now", fmt.Errorf("%s: %w", what, err))
}

// resume notes that a place can be written to.
func (r *Relay) resume(ctx context.Context, at place) {
	r.mu.Lock()
	s := r.stops[at]
	delete(r.stops, at)
	r.mu.Unlock()
	if s != nil {
		r.log.InfoContext(ctx, "kafkasink: publishing again", "topic", at.topic, "partition", at.partition, "after", time.Since(s.since))
	}
}

// clearStops forgets what couldn't be written to when no event is left: another relay has
// published them, or an operator deleted them.
func (r *Relay) clearStops() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.stops)
}

// hasFailed reports whether the last try of a place has failed.
func (r *Relay) hasFailed(at place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stops[at] != nil
}

// stopped returns the places that are busy, or not due to be tried.
func (r *Relay) stopped() map[place]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[place]bool)
	for at := range r.left {
		// Events go on to a topic that is only asked for again.
		out[at] = at.partition != wholeTopic || r.topics[at.topic] == nil
	}
	for at, s := range r.stops {
		if time.Now().Before(s.until) {
			out[at] = true
		}
	}
	return out
}

// allStopped reports whether nothing can be published anywhere, as far as that can be
// known: among several topics there may be one that wasn't met yet.
func (r *Relay) allStopped(stopped map[place]bool) bool {
	name := r.sink.cfg.Topic
	topic := r.known(name)
	switch {
	case len(stopped) == 0 || r.sink.cfg.TopicOf != nil:
		return false
	case topic == nil:
		return stopped[place{name, wholeTopic}]
	}
	return !slices.ContainsFunc(topic.partitions, func(p int) bool { return !stopped[place{name, p}] })
}

// bury moves an event that can't be published to the dead letters, and reports
// whether that worked. The row is gone from the outbox then.
func (r *Relay) bury(ctx context.Context, e *outgoing, why error) bool {
	ctx, cancel := r.grace(ctx)
	defer cancel()
	err := r.moveToDead(ctx, e, why)
	if err != nil {
		r.failed(ctx, "kafkasink: can't move an event to the dead letters", err)
		return false
	}
	r.figures.buried(ctx)
	r.log.ErrorContext(ctx, "kafkasink: an event can't be published and is a dead letter now",
		"outbox_seq", e.seq, "topic", e.topic, "table", r.sink.table(deadEnding).String(), "error", why)
	return true
}
