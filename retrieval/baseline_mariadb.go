package retrieval

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun/dialect"
)

// canSkipLocked refuses a MariaDB on which a batch would wait for whoever holds a
// row.
func (b *baseline) canSkipLocked(ctx context.Context) error {
	if b.dialect() != dialect.MySQL {
		return nil
	}
	var version string
	if err := b.db.NewRaw("SELECT VERSION()").Scan(ctx, &version); err != nil {
		return err
	}
	return skipsLocked(version)
}

// skipsLocked reads what a server of MariaDB or MySQL says of itself, such as
// 10.11.14-MariaDB-0+deb12u2.
func skipsLocked(version string) error {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	if err == nil && strings.Contains(version, "MariaDB") && (major < 10 || major == 10 && minor < 6) {
		return fmt.Errorf("MariaDB %d.%d can't pass over rows that others hold (SKIP LOCKED): it needs 10.6 or later", major, minor)
	}
	return nil
}
