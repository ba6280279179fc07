package sqltext

import "strconv"

// Error says why and where a text can't be taken apart. It names keywords and
// offsets, never a value of the text, so it may be logged.
type Error struct {
	Offset int    // byte of the text where the trouble is
	Reason string // a phrase such as "unterminated string"
}

// Error returns the reason with its offset.
func (e *Error) Error() string {
	return "sqltext: split statement: " + e.Reason + " at byte " + strconv.Itoa(e.Offset)
}
