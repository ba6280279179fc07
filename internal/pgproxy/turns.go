package pgproxy

import "encoding/binary"

// turns finds the messages ReadyForQuery in what a server sends, in pieces of
// any size.
type turns struct {
	count func()

	started bool    // the first ReadyForQuery, which ends the start-up, was seen
	head    [5]byte // the type and the length of the message that is being read
	have    int     // bytes of head that are there
	skip    int     // bytes of the message's body that are still to come
}

// see takes the next piece.
func (t *turns) see(b []byte) {
	for len(b) > 0 {
		if t.skip > 0 {
			n := min(t.skip, len(b))
			t.skip, b = t.skip-n, b[n:]
			continue
		}
		n := copy(t.head[t.have:], b)
		t.have, b = t.have+n, b[n:]
		if t.have < len(t.head) {
			return
		}
		t.have = 0
		t.skip = int(binary.BigEndian.Uint32(t.head[1:])) - 4 // the length counts itself
		if t.head[0] != 'Z' {
			continue
		}
		if t.started {
			t.count()
		}
		t.started = true
	}
}
