package kafkasink

import (
	"context"
	"slices"
	"time"
)

// flight is what the brokers are asked for one place, on a goroutine of its own: to
// take events, or what a topic is like.
//
// A pass waits for its flights while they get on, and leaves those that don't, so that
// a broker that is silent holds the events of the others up for a moment only. The
// place of a flight that was left is busy until it has ended and a pass begins after
// that: nothing else is published there, neither of a later page of the same pass,
// which must not overtake what is on its way, nor by a later pass.
type flight struct {
	at    place
	ended chan struct{} // closed at the end, when the others may be read
	done  []int64       // the rows that are done with
	all   bool          // no row is left, and nothing keeps others from following
}

// wave is the flights that a pass waits for together.
type wave struct {
	relay   *Relay
	stopped map[place]bool // gets the places where a flight has failed or was left
	going   []*flight
	moved   chan struct{} // receives a value when one of them has got on
	silence time.Duration // for how long it waits for that
	done    []int64       // the rows of those that have ended
}

const (
	maxWaited = 16           // flights of a wave
	hurry     = patience / 5 // where a broker is known to be silent
)

func (r *Relay) newWave(stopped map[place]bool) *wave {
	w := &wave{relay: r, stopped: stopped, moved: make(chan struct{}, 1), silence: patience}
	if len(r.left) > 0 {
		w.silence = hurry
	}
	return w
}

// fly has work done for a place. It waits where as many flights go on as may do. One
// whose last try has failed it leaves at once, in case the broker is still silent.
func (w *wave) fly(at place, work func() (done []int64, all bool)) {
	w.settle(maxWaited - 1)
	f := &flight{at: at, ended: make(chan struct{})}
	go func() { // it ends within Config.Timeout for each batch, and Run waits for it
		f.done, f.all = work()
		close(f.ended)
		signal(w.moved)
	}()
	if w.relay.hasFailed(at) {
		w.leave(f)
		return
	}
	w.going = append(w.going, f)
}

// settle waits until at most so many flights go on. It leaves them when none has got on
// for as long as a broker may be silent.
func (w *wave) settle(most int) {
	if len(w.going) <= most {
		return
	}
	timer := time.NewTimer(w.silence)
	defer timer.Stop()
	for {
		w.going = slices.DeleteFunc(w.going, w.collect)
		if len(w.going) <= most {
			return
		}
		select {
		case <-w.moved:
			timer.Reset(w.silence)
		case <-timer.C:
			w.leave(w.going...)
			w.going, w.silence = nil, hurry
			return
		}
	}
}

// collect takes what a flight has brought, and reports whether it has ended.
func (w *wave) collect(f *flight) bool {
	select {
	case <-f.ended:
	default:
		return false
	}
	w.done = append(w.done, f.done...)
	if !f.all {
		w.stopped[f.at] = true
	}
	return true
}

// leave has flights go on by themselves. The relay looks again when they have ended.
func (w *wave) leave(flights ...*flight) {
	for _, f := range flights {
		w.stopped[f.at] = true
		w.relay.left[f.at] = f
		go func() {
			<-f.ended
			signal(w.relay.wake)
		}()
	}
}

// land deletes what the flights that were left have published, where they have ended,
// or waits for that. Their places are free then.
func (r *Relay) land(ctx context.Context, wait bool) {
	for at, f := range r.left {
		if wait {
			<-f.ended
		}
		select {
		case <-f.ended:
		default:
			continue
		}
		if err := r.remove(ctx, f.done); err != nil { // ctx has ended
			r.failed(ctx, "kafkasink: can't delete what was published, and is published again", err)
		}
		delete(r.left, at)
	}
}
