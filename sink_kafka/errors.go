package kafkasink

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/sqlaudit/bun/internal/sqlstate"
)

// What can be wrong with a topic. Tell them by errors.Is.
var (
	// ErrNoTopic means that the topic is not there.
	ErrNoTopic = errors.New("the topic does not exist")

	// ErrNotAllowed means that the user that Config.SASL or Config.TLS names lacks
	// a right.
	ErrNotAllowed = errors.New("the user lacks a right on the topic")

	// ErrPartitions means that the topic has another number of partitions than when
	// the first event was published: the events of a row would go to another
	// partition than before. See [Relay.AcceptPartitions].
	ErrPartitions = errors.New("the topic's number of partitions has changed")

	// ErrCompacted means that the topic has the cleanup policy compact, which keeps
	// the last event of each row only.
	ErrCompacted = errors.New("the topic is compacted")

	// ErrMinISR means that min.insync.replicas is below 2 where there are several
	// replicas: an acknowledged event may be on one broker only.
	ErrMinISR = errors.New("the topic acknowledges what only one replica has")

	// ErrMessageBytes means that the topic takes smaller batches than
	// Config.MaxBatchBytes. A relay then sends smaller ones, at a cost.
	ErrMessageBytes = errors.New("the topic takes smaller batches than Config.MaxBatchBytes")
)

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// isRefusedValue reports whether a database takes a row not for what is in it, so
// that trying again can't help. It knows the drivers' errors without importing
// them.
func isRefusedValue(err error) bool {
	code := sqlstate.Of(err)
	if code == "" {
		for _, known := range []string{
			"Error 1366", "Error 1406", "Error 3140", "Error 4025", // MySQL: incorrect value, too long, invalid JSON, constraint
			"string or blob too big", // SQLite
		} {
			if strings.Contains(err.Error(), known) {
				return true
			}
		}
		return false
	}
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23") || strings.HasPrefix(code, "54")
}
