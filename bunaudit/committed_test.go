package bunaudit_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// listening is a sink that counts the events that others can see when it hears
// of a commit.
type listening struct {
	*sqlsink.Sink
	other *bun.DB
	heard atomic.Int64
	seen  atomic.Int64
}

func (l *listening) Committed(ctx context.Context) {
	l.heard.Add(1)
	n, _ := l.other.NewSelect().Table(sqlsink.DefaultTable).Count(ctx)
	l.seen.Store(int64(n))
}

func TestSinkHearsOfACommitOnceItsEventsCanBeSeen(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		l := &listening{Sink: sqlsink.New(), other: db.Open(t)}
		a := newAudited(t, db, bunaudit.Config{Sink: sink.Tee(l, sink.Discard{})}, (*Customer)(nil))
		insert := func(ctx context.Context, on bun.IDB) error {
			_, err := on.NewInsert().Model(&Customer{Name: "Jane"}).Exec(ctx)
			return err
		}
		for want, run := range []func() error{
			func() error { return nil },
			func() error { return insert(t.Context(), a) },
			func() error {
				return a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error { return insert(ctx, tx) })
			},
			func() error {
				tx, err := a.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				require.NoError(t, insert(t.Context(), tx))
				assert.EqualValues(t, 2, l.seen.Load(), "nothing is committed yet")
				return tx.Commit()
			},
		} {
			require.NoError(t, run())
			assert.EqualValues(t, want, l.seen.Load())
		}

		heard := l.heard.Load()
		undo := errors.New("undo")
		require.ErrorIs(t, a.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			return errors.Join(insert(ctx, tx), undo)
		}), undo)
		assert.Equal(t, heard, l.heard.Load(), "a rollback is no commit")
	})
}

// Every commit passes here, whatever the transaction did.
func TestCommitCostsNoAllocation(t *testing.T) {
	for name, s := range map[string]sink.Sink{"a sink that doesn't listen": sink.Discard{}, "one that does": sink.Tee(sink.Discard{}, sink.Discard{})} {
		hook := bunaudit.New(bunaudit.Config{Sink: s})
		event := &bun.QueryEvent{Query: "COMMIT"}
		ctx := t.Context()
		require.Zero(t, testing.AllocsPerRun(100, func() { hook.AfterQuery(ctx, event) }), name)
	}
}
