package oracle

import (
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
)

// ledger has a generated key, a column of most types, a unique column, a check
// and a default.
type ledger struct {
	bun.BaseModel `bun:"table:ledgers,alias:l,audit"`
	bunaudit.Model

	ID     int64           `bun:",pk,autoincrement"`
	Name   string          `bun:",notnull"`
	Code   string          `bun:",nullzero,unique"`
	N      int64           `bun:",notnull"`
	Small  int16           `bun:",nullzero"`
	Ratio  float64         ``
	Rate   float32         ``
	Flag   bool            ``
	Data   []byte          ``
	At     time.Time       `bun:",nullzero"`
	Maybe  *string         ``
	MaybeN *int64          `bun:"maybe_n"`
	Doc    json.RawMessage `bun:"type:jsonb"`
	Origin string          `bun:",nullzero,notnull,default:'here'"`
}

// seat has a key of two columns, one of them with a reserved word for a name.
type seat struct {
	bun.BaseModel `bun:"table:seats,audit"`

	Hall   string  `bun:",pk"`
	Order  int     `bun:",pk"`
	Holder *string ``
	Price  string  `bun:"type:numeric(10,2),notnull"`
	State  string  ``
	Group  *int64  ``
}

// label has a text for a key, columns whose values are kept out of the record,
// and a table whose name has to be quoted.
type label struct {
	bun.BaseModel `bun:"table:Labels,alias:lb,audit"`

	Name   string         `bun:",pk"`
	Color  string         ``
	Weight float64        ``
	Doc    map[string]any `bun:"type:jsonb"`
	Secret string         `bun:",audit:redact"`
	Token  string         `bun:",nullzero,audit:hash"`
}

// device has a UUID for a key, and some of its columns are tracked.
type device struct {
	bun.BaseModel `bun:"table:devices"`

	ID       string     `bun:",pk,type:uuid"`
	Serial   string     `bun:",audit"`
	Hits     int64      `bun:",audit"`
	Seen     *time.Time `bun:",audit"`
	Firmware string     ``
	Photo    []byte     ``
}

// memo is soft-deleted by a column that is not tracked.
type memo struct {
	bun.BaseModel `bun:"table:memos,alias:m"`

	ID        int64     `bun:",pk,autoincrement"`
	Text      string    `bun:",audit"`
	Stars     int64     ``
	DeletedAt time.Time `bun:",soft_delete,nullzero"`
}

// ware is soft-deleted, has a space in its table's name, and on PostgreSQL a
// trigger that changes what is written and vetoes some of it.
type ware struct {
	bun.BaseModel `bun:"table:odd wares,alias:w,audit"`

	ID        int64      `bun:",pk"`
	Name      string     `bun:",notnull"`
	Slug      string     ``
	Stock     int64      ``
	Listed    bool       `bun:",notnull,default:true"`
	DeletedAt *time.Time `bun:",soft_delete"`
}
