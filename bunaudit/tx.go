package bunaudit

import (
	"context"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/uptrace/bun"
)

// Tx is the transaction that a sink is handed: a sink.Tx that also knows the
// *bun.DB, for sinks that build their statements with Bun:
//
//	db.NewInsert().Model(&rows).Conn(tx).Exec(ctx)
type Tx struct {
	bun.IConn
	db *bun.DB
	id string
}

// DB returns the *bun.DB that the statement came through. Statements that are
// built on it without Conn(tx) run outside the transaction.
func (t *Tx) DB() *bun.DB { return t.db }

// turns gives each connection of type T an identity, and lets one statement at
// a time be recorded on it: recording takes several statements, and two
// goroutines may share a transaction. It holds no connection alive.
type turns[T any] struct {
	mu     sync.Mutex
	states map[weak.Pointer[T]]*turn
}

type turn struct {
	id   string
	busy chan struct{} // holds one token while a statement is recorded
	last time.Time     // of the events of the statement that was recorded last
}

// lock waits for conn's turn, and gives it an id at first sight.
func (t *turns[T]) lock(ctx context.Context, conn *T, newID func() string) (*turn, error) {
	s := t.of(conn, newID)
	select {
	case s.busy <- struct{}{}:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *turn) unlock() { <-s.busy }

func (t *turns[T]) of(conn *T, newID func() string) *turn {
	key := weak.Make(conn)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.states[key]; ok {
		return s
	}
	if t.states == nil {
		t.states = make(map[weak.Pointer[T]]*turn)
	}
	s := &turn{id: newID(), busy: make(chan struct{}, 1)}
	t.states[key] = s
	runtime.AddCleanup(conn, t.forget, key)
	return s
}

func (t *turns[T]) forget(key weak.Pointer[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.states, key)
}
