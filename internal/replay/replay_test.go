package replay_test

import (
	"context"
	"database/sql"
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
	rows, err := play(t).Play(t.Context(), want)
	require.NoError(t, err)
	got, err := replay.Read(rows)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"a", "b"}, got.Head(5).Columns)
	require.Equal(t, [][]driver.Value{{int64(1), "x"}, {int64(-1), ""}}, got.Head(5).Rows)
}

func TestAResultOwnsItsColumnNames(t *testing.T) {
	driverOwned := []string{"id", "name"}
	rows, err := play(t).Play(t.Context(), &replay.Result{Columns: driverOwned, Types: []string{"", ""}})
	require.NoError(t, err)
	got, err := replay.Read(rows)
	require.NoError(t, err)
	driverOwned[0] = "count" // as pgdriver does for the next query
	require.Equal(t, []string{"id", "name"}, got.Columns)
}

func TestAPlayerLeavesNoGoroutineBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	p := replay.New()
	var open *sql.Rows
	for range 100 {
		rows, err := p.Play(context.Background(), &replay.Result{Columns: []string{"a"}, Types: []string{""}, Rows: [][]driver.Value{{"x"}}})
		require.NoError(t, err)
		if open == nil {
			open = rows
			continue
		}
		require.NoError(t, rows.Close())
	}
	require.NoError(t, p.Close())
	require.True(t, open.Next(), "rows that are open survive")
	require.NoError(t, open.Close())
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "%d goroutines, %d before", runtime.NumGoroutine(), before)
	}
}

func play(t *testing.T) *replay.Player {
	t.Helper()
	p := replay.New()
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}
