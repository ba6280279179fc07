package main

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	times := regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z`)
	require.Equal(t, `FIELD name SET AT <time> TO Jane Doe BY unknown
FIELD name SET AT <time> TO John Brown BY unknown
FIELD name CHANGED AT <time> FROM Jane Doe TO Jane Smith BY user 1
`, times.ReplaceAllString(out.String(), "<time>"))
}
