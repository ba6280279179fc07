package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAges(t *testing.T) {
	c := &command{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for text, want := range map[string]string{
		"30d": "2026-01-30T12:00:00Z", "90m": "2026-03-01T10:30:00Z", "2026-01-02": "2026-01-02T00:00:00Z",
		"2026-01-02T03:04:05+02:00": "2026-01-02T01:04:05Z",
	} {
		got, err := c.parseTime("--at", text)
		require.NoError(t, err)
		assert.Equal(t, want, got.UTC().Format(time.RFC3339), text)
	}
}
