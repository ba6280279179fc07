package pgproxy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesAreFoundInPiecesOfAnySize(t *testing.T) {
	// Authentication, ReadyForQuery, a row with a Z in it, ReadyForQuery twice.
	stream := []byte("R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I" +
		"D\x00\x00\x00\x09ZZ\x00\x00\x00Z\x00\x00\x00\x05IZ\x00\x00\x00\x05T")
	for size := 1; size <= len(stream); size++ {
		n := 0
		turns := turns{count: func() { n++ }}
		for rest := stream; len(rest) > 0; {
			piece := rest[:min(size, len(rest))]
			turns.see(piece)
			rest = rest[len(piece):]
		}
		require.Equal(t, 2, n, "pieces of %d bytes", size)
	}
}
