package kafkasink

import (
	"context"
	"math/rand/v2"
	"time"
)

// signal sends a value unless one is there.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits, and reports whether it was ended by a value from wake.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
		return true
	}
	return false
}

// backoff is how long to wait after so many failures in a row: longer each time, up
// to most.
func backoff(tries int, most time.Duration) time.Duration {
	d := most
	if tries < 16 {
		d = min(d, 50*time.Millisecond<<tries)
	}
	return d/2 + rand.N(d/2+1)
}
