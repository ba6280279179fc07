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
	var batches [][]Row
	var batch []Row
	size := 0
	for i := range events {
		row, err := FromEvent(&events[i])
		if err != nil {
			return nil, fmt.Errorf("event %d of %d: %w", i+1, len(events), err)
		}
		n := row.size()
		if len(batch) == maxBatchRows || len(batch) > 0 && size+n > maxBatchBytes {
			batches, batch, size = append(batches, batch), nil, 0
		}
		if batch == nil {
			batch = make([]Row, 0, min(maxBatchRows, len(events)-i))
		}
		batch, size = append(batch, row), size+n
	}
	if len(batch) > 0 {
		batches = append(batches, batch)
	}
	return batches, nil
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
		_, err := db.NewInsert().
			Conn(conn).
			Model(&batches[i]).
			ModelTableExpr("?", t.Expr()).
			ExcludeColumn("seq").
			Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// InsertNew is like Insert for events some of which may be in the table already:
// those, told by their ID, it leaves alone. It returns how many were new.
func (t Table) InsertNew(ctx context.Context, db *bun.DB, conn bun.IConn, batches [][]Row) (int64, error) {
	var total int64
	for i := range batches {
		q := db.NewInsert().Conn(conn).Model(&batches[i]).ModelTableExpr("?", t.Expr()).ExcludeColumn("seq")
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
