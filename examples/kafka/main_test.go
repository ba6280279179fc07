package main

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testkafka"
)

func TestTheStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), testkafka.Broker(t), fmt.Sprintf("example-test-%d", time.Now().UnixNano()), &out))
	times := regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z`)
	require.Equal(t, `FIELD name SET AT <time> TO Jane Doe BY unknown
FIELD name CHANGED AT <time> FROM Jane Doe TO Jane Smith BY user 1
FIELD name SET AT <time> TO John Brown BY unknown
`, times.ReplaceAllString(out.String(), "<time>"))
}
