package eventrow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/sink"
)

// DefaultTable is the name of the SQL sink's table where nobody gives another.
const DefaultTable = "audit_events"

// MaxTableName is the longest name of a table in bytes: PostgreSQL cuts names
// at 63, and two indexes whose names were cut alike would be taken for one.
const MaxTableName = 63 - len("_old_key_idx")

// Table names a table of events.
type Table struct {
	// Schema is the table's schema, on SQLite the name of an attached database.
	// Empty means wherever the connection looks first.
	Schema string

	// Name is the table's name. It is taken as it is: a dot in it is a part of
	// the name.
	Name string
}

// Validate reports whether the names can be used on every database.
func (t Table) Validate() error {
	switch {
	case t.Name == "":
		return errors.New("the table's name is empty")
	case len(t.Name) > MaxTableName:
		return fmt.Errorf("the table's name has %d bytes, more than the %d that leave room for the names of its indexes", len(t.Name), MaxTableName)
	case len(t.Schema) > 63:
		return fmt.Errorf("the schema's name has %d bytes, more than PostgreSQL's 63", len(t.Schema))
	case strings.ContainsRune(t.Name+t.Schema, 0):
		return errors.New("the name of the table or the schema contains NUL")
	}
	return nil
}

// String returns the names for people to read, not for SQL.
func (t Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Expr returns the table as an argument for a placeholder of Bun, as in
// ModelTableExpr("? AS e", t.Expr()).
func (t Table) Expr() any {
	if t.Schema == "" {
		return bun.Name(t.Name)
	}
	return bun.SafeQuery("?.?", bun.Name(t.Schema), bun.Name(t.Name))
}

// Concerns reports whether an error of PostgreSQL names the table, its sequence
// or one of its indexes. Messages that name an object quote it, except those
// that deny a permission.
func (t Table) Concerns(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	for _, before := range []string{`"`, "for table ", "for sequence "} {
		if _, rest, found := strings.Cut(text, before+t.Name); found {
			return rest == "" || strings.ContainsRune(`"_ `, rune(rest[0]))
		}
	}
	return t.Schema != "" && (strings.Contains(text, `"`+t.Schema+`"`) || strings.Contains(text, `"`+t.Schema+`.`+t.Name+`"`))
}

// Dialect is the part of Bun's schema.Dialect that the DDL depends on.
type Dialect interface {
	Name() dialect.Name
	IdentQuote() byte
}

// The limits of one INSERT. Bun renders values into the statement's text, which
// is held in memory several times on its way to the server; past some hundred
// rows a longer statement is no faster.
const (
	maxBatchRows  = 500
	maxBatchBytes = 512 << 10
)

// Encode turns events into rows, in order, in batches that each fit one
// statement. An event that is too large for a batch gets one of its own. It
// fails before anything was written where an event can't be stored.
func Encode(events []sink.Event) ([][]Row, error) {
	rows := make([]Row, len(events))
	for i := range events {
		var err error
		if rows[i], err = FromEvent(&events[i]); err != nil {
			return nil, fmt.Errorf("event %d of %d: %w", i+1, len(events), err)
		}
	}
	return Batches(rows), nil
}

// Batches divides rows as [Encode] does. The batches are parts of rows.
func Batches(rows []Row) [][]Row {
	var batches [][]Row
	from, size := 0, 0
	for i := range rows {
		n := rows[i].size()
		if i-from == maxBatchRows || i > from && size+n > maxBatchBytes {
			batches, from, size = append(batches, rows[from:i:i]), i, 0
		}
		size += n
	}
	if from < len(rows) {
		batches = append(batches, rows[from:])
	}
	return batches
}

// size estimates the bytes that r takes in a statement.
func (r *Row) size() int {
	const fixed = 200 // UUIDs, time, NULLs, quotes and commas
	return fixed + len(r.Table) + len(r.Model) + len(r.Key) + len(r.OldKey) + len(r.Changes) + len(r.Meta) +
		len(r.ActorID) + len(r.ActorType) + len(r.ActorName) + len(r.OnBehalfOf) + len(r.Reason)
}

// Insert writes the batches on conn, one statement each, in order. After an
// error some of them may be there: a caller that has more than one undoes them.
func (t Table) Insert(ctx context.Context, db *bun.DB, conn bun.IConn, batches [][]Row) error {
	for i := range batches {
		_, err := t.insertInto(db, conn, &batches[i]).ExcludeColumn("seq").Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// InsertMany is like Insert, and faster for many rows on databases that read
// statements slowly: it names only the columns that have values. So a table that
// lacks another one goes unnoticed.
func (t Table) InsertMany(ctx context.Context, db *bun.DB, conn bun.IConn, batches [][]Row) error {
	for i := range batches {
		_, err := t.insertInto(db, conn, &batches[i]).Column(columns(batches[i])...).Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t Table) insertInto(db *bun.DB, conn bun.IConn, rows *[]Row) *bun.InsertQuery {
	return db.NewInsert().Conn(conn).Model(rows).ModelTableExpr("?", t.Expr())
}

// columns are those in which one of the rows has a value.
func columns(rows []Row) []string {
	names := []string{"id", "time", "op", "table_name", "tx", "soft"}
	var shared uint16
	var statement, key, oldKey, changes bool
	for i := range rows {
		r := &rows[i]
		shared |= r.Shared()
		statement, key = statement || r.Statement != "", key || r.Key != nil
		oldKey, changes = oldKey || r.OldKey != nil, changes || r.Changes != nil
	}
	for i, c := range rows[0].shared() {
		if shared&(1<<i) != 0 {
			names = append(names, c.name)
		}
	}
	for _, c := range [...]struct {
		name string
		has  bool
	}{{"statement", statement}, {"key", key}, {"old_key", oldKey}, {"changes", changes}} {
		if c.has {
			names = append(names, c.name)
		}
	}
	return names
}

// InsertNew is like Insert for events some of which may be in the table already:
// those, told by their ID, it leaves alone. It returns how many were new.
func (t Table) InsertNew(ctx context.Context, db *bun.DB, conn bun.IConn, batches [][]Row) (int64, error) {
	var total int64
	for i := range batches {
		q := t.insertInto(db, conn, &batches[i]).ExcludeColumn("seq")
		if db.Dialect().Name() == dialect.MySQL {
			q.On("DUPLICATE KEY UPDATE").Set("? = ?", bun.Ident("id"), bun.Ident("id")) // IGNORE would let more pass
		} else {
			q.On("CONFLICT DO NOTHING") // on whichever columns: where there are partitions the time is one
		}
		res, err := q.Exec(ctx)
		if err != nil {
			return total, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}
