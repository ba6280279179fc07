package retrieval

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOldMariaDBIsRefusedByName(t *testing.T) {
	for version, old := range map[string]bool{
		"10.5.29-MariaDB-ubu2004": true, "5.5.5-10.4.1-MariaDB": true, "10.6.0-MariaDB": false, "10.11.14-MariaDB-0+deb12u2": false,
		"11.4.2-MariaDB": false, "8.0.40": false, "": false,
	} {
		err := skipsLocked(version)
		assert.Equal(t, old, err != nil, version)
		if old {
			assert.ErrorContains(t, err, "10.6 or later")
		}
	}
}
