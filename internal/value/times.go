package value

import (
	"strings"
	"time"
)

// The canonical forms of times. A time finer than a microsecond, which only a
// database that stores text can hold, has nine digits.
const (
	layoutTimestampTZ     = "2006-01-02T15:04:05.000000Z"
	layoutTimestamp       = "2006-01-02T15:04:05.000000"
	layoutTimestampTZNano = "2006-01-02T15:04:05.000000000Z"
	layoutTimestampNano   = "2006-01-02T15:04:05.000000000"
	layoutDate            = "2006-01-02"
)

// storedLayouts are the forms in which times are found in SQLite: Bun's own,
// those of SQLite's functions, ISO 8601, and Go's time.Time.String.
func storedLayouts() [9]string {
	return [...]string{
		"2006-01-02 15:04:05.999999999-07:00",
		"2006-01-02 15:04:05",
		"2006-01-02T15:04:05.999999999Z07:00",
		"2006-01-02T15:04:05",
		"2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02 15:04:05.999999999-07",
		"2006-01-02",
		"2006-01-02 15:04",
		"2006-01-02 15:04:05.999999999 -0700 MST",
	}
}

// parseTime reads a time as it is stored in text. One without a zone is in UTC.
func parseTime(s string) (time.Time, bool) {
	if len(s) < len(layoutDate) || s[4] != '-' || s[7] != '-' {
		return time.Time{}, false
	}
	s, _, _ = strings.Cut(s, " m=")
	for _, layout := range storedLayouts() {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// appendTime appends a time in the form of its kind.
func appendTime(b []byte, k Kind, t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		// No layout of Go's reads such a year back; neither does Bun.
		return AppendString(b, t.Format("2006-01-02 15:04:05.999999999-07:00"))
	}
	layout := layoutTimestampTZ
	fine := t.Nanosecond()%1000 != 0
	switch {
	case k == KindDate && t.Equal(t.Truncate(24*time.Hour)):
		layout = layoutDate
	case k == KindTimestamp && fine:
		layout = layoutTimestampNano
	case k == KindTimestamp:
		layout = layoutTimestamp
	case fine:
		layout = layoutTimestampTZNano
	}
	b = append(b, '"')
	b = t.AppendFormat(b, layout)
	return append(b, '"')
}
