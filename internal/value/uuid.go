package value

import (
	"encoding/hex"
	"strings"
)

// normalUUID gives a UUID the form in which PostgreSQL prints it.
func normalUUID(s string) (string, bool) {
	digits := strings.Map(func(r rune) rune {
		if r == '-' || r == '{' || r == '}' {
			return -1
		}
		return r
	}, strings.ToLower(s))
	if _, err := hex.DecodeString(digits); err != nil || len(digits) != 32 {
		return "", false
	}
	return formatUUID(digits), true
}

func formatUUID(d string) string {
	return d[:8] + "-" + d[8:12] + "-" + d[12:16] + "-" + d[16:20] + "-" + d[20:]
}
