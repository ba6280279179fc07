package replay_test

import (
	"context"
	"database/sql/driver"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/replay"
)

func TestAReplayDeliversWhatTheDriverDelivered(t *testing.T) {
	now := time.Now()
	want := &replay.Result{
		Columns: []string{"a", "b", "c", "d", "e", "f", "g"},
		Types:   []string{"INT8", "TEXT", "BYTEA", "BOOL", "TIMESTAMPTZ", "FLOAT8", ""},
		Rows: [][]driver.Value{
			{int64(1), "x", []byte{0, 1}, true, now, 1.5, nil},
			{int64(-1), "", []byte{}, false, now, -0.5, nil},
		},
	}
	rows, err := want.Replay(t.Context())
	require.NoError(t, err)
	got, err := replay.Read(rows)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"a", "b"}, got.Head(5).Columns)
	require.Equal(t, [][]driver.Value{{int64(1), "x"}, {int64(-1), ""}}, got.Head(5).Rows)
}

func TestAResultOwnsItsColumnNames(t *testing.T) {
	driverOwned := []string{"id", "name"}
	rows, err := (&replay.Result{Columns: driverOwned, Types: []string{"", ""}}).Replay(t.Context())
	require.NoError(t, err)
	got, err := replay.Read(rows)
	require.NoError(t, err)
	driverOwned[0] = "count" // as pgdriver does for the next query
	require.Equal(t, []string{"id", "name"}, got.Columns)
}

func TestAReplayLeavesNoGoroutineBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 100 {
		rows, err := (&replay.Result{Columns: []string{"a"}, Types: []string{""}}).Replay(context.Background())
		require.NoError(t, err)
		require.NoError(t, rows.Close())
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "%d goroutines, %d before", runtime.NumGoroutine(), before)
	}
}
