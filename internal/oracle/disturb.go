package oracle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// disturb does to the database what a round's options say, until the function
// that it returns is called.
func (r *run) disturb(ctx context.Context, o Options) (stop func() error) {
	running, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var failed error
	if o.Kill && len(r.world.sql.kill()) > 0 {
		all.Go(func() { r.world.killNowAndThen(running, rand.New(rand.NewPCG(o.Seed, 2))) })
	}
	if o.Control != "" {
		all.Go(func() { failed = r.restart(ctx, running, o) })
	}
	return func() error {
		cancel()
		all.Wait()
		return failed
	}
}

// killNowAndThen ends a connection of the audited pool at random moments.
func (w *World) killNowAndThen(ctx context.Context, r *rand.Rand) {
	for pause(ctx, time.Duration(20+r.IntN(300))*time.Millisecond) {
		for _, s := range w.sql.kill() {
			_, _ = w.plain.DB.ExecContext(ctx, s) // there may be none
		}
	}
}

// restart has the server stopped at a random moment, cleanly or as in a crash,
// and started again. Blocks that are running fail; others wait.
func (r *run) restart(ctx, running context.Context, o Options) error {
	if !pause(running, time.Duration(20+o.Seed%400)*time.Millisecond) {
		return nil
	}
	up := make(chan struct{})
	r.down.Store(&up)
	defer close(up)
	if err := Restart(ctx, o.Control, restartOf(o.Seed)); err != nil {
		return err
	}
	for range 100 {
		if r.world.plain.PingContext(ctx) == nil {
			return nil
		}
		pause(ctx, 20*time.Millisecond)
	}
	return errors.New("oracle: the server does not answer after its restart")
}

// restartOf is how the server is stopped in the round of a seed.
func restartOf(seed uint64) string { return pick(rand.New(rand.NewPCG(seed, 4)), "fast", "immediate") }

// Restart orders the server that takes orders at the Unix socket control (see
// internal/testdb/server) to stop, fast or immediate, and to start again. It
// returns when the server has done so.
func Restart(ctx context.Context, control, how string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", control)
	if err != nil {
		return fmt.Errorf("oracle: restart the server: %w", err)
	}
	defer conn.Close() //nolint:errcheck // The answer is all that counts.
	if _, err := fmt.Fprintln(conn, how); err != nil {
		return fmt.Errorf("oracle: restart the server: %w", err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if answer = strings.TrimSpace(answer); err == nil && answer != "ok" {
		err = errors.New(answer)
	}
	if err != nil {
		return fmt.Errorf("oracle: restart the server: %w", err)
	}
	return nil
}

// pause waits, and reports whether ctx has outlived that.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
