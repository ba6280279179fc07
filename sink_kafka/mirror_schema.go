package kafkasink

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/eventrow"
)

const rejectedEnding = "_rejected"

const positionTable = `CREATE TABLE IF NOT EXISTS ? (
  topic varchar(255) NOT NULL,
  partition_id bigint NOT NULL,
  next_offset bigint NOT NULL,
  last_digest varchar(64) NOT NULL,
  PRIMARY KEY (topic, partition_id)
)`

// rejectedTable has {seq}, {bytes} and {time} for the types of a dialect.
const rejectedTable = `CREATE TABLE IF NOT EXISTS ? (
  seq {seq},
  topic varchar(255) NOT NULL,
  partition_id bigint NOT NULL,
  message_offset bigint NOT NULL,
  reason text NOT NULL,
  message_key {bytes},
  message_value {bytes},
  headers text NOT NULL,
  rejected_at {time}
)`

// CreateTable creates what is missing of the mirror's tables: how far it is, and
// the messages that it can't read. The table of events is the SQL sink's to
// create. It never alters a table.
func (m *Mirror) CreateTable(ctx context.Context, db bun.IDB) error {
	d := db.Dialect()
	seq, bytes := "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "bytea"
	switch d.Name() {
	case dialect.PG:
	case dialect.SQLite:
		seq, bytes = "INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"
	case dialect.MySQL:
		seq, bytes = "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY", "longblob"
	default:
		return fmt.Errorf("kafkasink: create tables of the mirror: the dialect %s is not supported", d.Name())
	}
	rejected := strings.NewReplacer("{seq}", seq, "{bytes}", bytes, "{time}", timeType(d)).Replace(rejectedTable)
	err := eventrow.Apply(ctx, db, []string{m.state.DDL(d, positionTable), m.rejected().DDL(d, rejected)})
	if err != nil {
		return fmt.Errorf("kafkasink: create tables of the mirror: %w", err)
	}
	return nil
}

func (m *Mirror) rejected() eventrow.Table {
	return eventrow.Table{Schema: m.state.Schema, Name: m.state.Name + rejectedEnding}
}
