package bunaudit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Product has what Bun treats specially, and counts the calls of its hooks.
type Product struct {
	bun.BaseModel `bun:"table:products,alias:p,audit"`

	ID      int64             `bun:",pk,autoincrement"`
	SKU     string            `bun:"Stock Unit,unique,notnull"`
	Name    string            `bun:",nullzero,notnull,default:'unnamed'"`
	Price   *int64            `bun:"price"`
	Labels  map[string]string `bun:",nullzero"`
	Size    Size              `bun:"embed:size_"`
	Maker   *string           `bun:"type:varchar(20)"`
	Order   int               `bun:"order,audit:-"`
	Deleted time.Time         `bun:"deleted_at,soft_delete,nullzero"`
}

type Size struct {
	Width  int
	Height float64
}

// Line has a key of two columns.
type Line struct {
	bun.BaseModel `bun:"table:bill_lines,alias:line,audit"`

	Bill string `bun:",pk"`
	N    int    `bun:",pk"`
	Text string
}

type callsKey struct{}

func called(ctx context.Context, what string) {
	if calls, ok := ctx.Value(callsKey{}).(map[string]int); ok {
		calls[what]++
	}
}

func (p *Product) BeforeAppendModel(ctx context.Context, q schema.Query) error {
	called(ctx, "BeforeAppendModel "+q.Operation())
	return nil
}
func (p *Product) BeforeScanRow(ctx context.Context) error {
	called(ctx, "BeforeScanRow")
	return nil
}
func (p *Product) AfterScanRow(ctx context.Context) error { called(ctx, "AfterScanRow"); return nil }
func (*Product) BeforeInsert(ctx context.Context, _ *bun.InsertQuery) error {
	called(ctx, "BeforeInsert")
	return nil
}
func (*Product) AfterInsert(ctx context.Context, _ *bun.InsertQuery) error {
	called(ctx, "AfterInsert")
	return nil
}
func (*Product) AfterUpdate(ctx context.Context, _ *bun.UpdateQuery) error {
	called(ctx, "AfterUpdate")
	return nil
}
func (*Product) AfterDelete(ctx context.Context, _ *bun.DeleteQuery) error {
	called(ctx, "AfterDelete")
	return nil
}

// seen is what a caller sees of a statement.
type seen []string

func (s *seen) add(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

func (s *seen) error(err error) {
	s.add("error %T %v, is ErrNoRows: %t", err, err, errors.Is(err, sql.ErrNoRows)) // %T: not wrapped either
}

// without is s without the name of the database, which MariaDB's errors have.
func (s seen) without(db *testdb.DB) seen {
	if db.Schema == "" {
		return s
	}
	clean := make(seen, len(s))
	for i, text := range s {
		clean[i] = strings.ReplaceAll(text, db.Schema, "db")
	}
	return clean
}

func (s *seen) result(res sql.Result, err error) {
	s.error(err)
	if res == nil {
		s.add("no result")
		return
	}
	n, err := res.RowsAffected()
	s.add("affected %d %v", n, err)
	if _, err = res.LastInsertId(); err != nil {
		s.add("no last id: %v", err)
	}
}

// inserted is result with the last id, which SQLite keeps for each connection:
// after another statement it may be that of an event.
func (s *seen) inserted(res sql.Result, err error) {
	s.result(res, err)
	if res != nil {
		n, err := res.LastInsertId()
		s.add("last id %d %v", n, err)
	}
}

// insertedBy runs texts that insert.
func (s *seen) insertedBy(ctx context.Context, db runner, texts ...string) {
	for _, text := range texts {
		s.add("%s", text)
		s.inserted(db.NewRaw(text).Exec(ctx))
	}
}

// anyOrder is for what PostgreSQL returns in no particular order.
func anyOrder[T any](rows []T) string {
	var texts []string
	for _, row := range rows {
		texts = append(texts, fmt.Sprintf("%#v", row))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func (s *seen) products(ps ...*Product) {
	slices.SortFunc(ps, func(a, b *Product) int { return int(a.ID - b.ID) })
	for _, p := range ps {
		c := *p
		if !c.Deleted.IsZero() {
			c.Deleted = time.Unix(1, 0).UTC()
		}
		s.add("product %s", spell(c))
	}
}

func spell(v any) string {
	switch v := v.(type) {
	case Product:
		price, maker := "nil", "nil"
		if v.Price != nil {
			price = fmt.Sprint(*v.Price)
		}
		if v.Maker != nil {
			maker = *v.Maker
		}
		v.Price, v.Maker = nil, nil
		return fmt.Sprintf("%#v price %s maker %s", v, price, maker)
	}
	return fmt.Sprintf("%#v", v)
}

// untouchedPlaces run a body in the places that a statement may run in.
var untouchedPlaces = map[string]func(ctx context.Context, db *bun.DB, f func(ctx context.Context, db runner)) error{
	"on the pool": func(ctx context.Context, db *bun.DB, f func(context.Context, runner)) error {
		f(ctx, db)
		return nil
	},
	"in a transaction each": func(ctx context.Context, db *bun.DB, f func(context.Context, runner)) error {
		return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			f(ctx, tx)
			return nil
		})
	},
	"on a bun.Conn": func(ctx context.Context, db *bun.DB, f func(context.Context, runner)) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		f(ctx, conn)
		return nil
	},
}

// untouched runs the statements on a database with the hook and on an equal one
// without, and compares what the callers see, and what the tables hold.
func untouched(t *testing.T, statements []statement, models ...any) {
	t.Helper()
	for place, in := range untouchedPlaces {
		t.Run(place, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{}, models...)
				other := testdb.New(t, db.Backend)
				plain := other.OpenWith(t, 1) // SQLite keeps the last id with the connection
				a.SetMaxOpenConns(1)
				for _, m := range models {
					_, err := other.NewCreateTable().Model(m).Exec(t.Context())
					require.NoError(t, err)
				}
				for _, s := range statements {
					if !isFor(s.only, db) {
						continue
					}
					run := func(db *bun.DB) (seen, map[string]int) {
						var what seen
						calls := map[string]int{}
						ctx := context.WithValue(deadline(t), callsKey{}, calls)
						err := in(ctx, db, func(ctx context.Context, db runner) { s.run(ctx, db, &what) })
						what.error(err)
						return what, calls
					}
					want, wantCalls := run(plain)
					got, gotCalls := run(a.DB)
					require.Equal(t, want.without(other), got.without(db), s.name)
					require.Equal(t, wantCalls, gotCalls, s.name)
					for _, m := range models {
						require.Equal(t, dump(t, other, m), dump(t, db, m), s.name)
					}
				}
				require.NotEmpty(t, a.events(t))
			})
		})
	}
}

type statement struct {
	name string
	only string // see isFor
	run  func(ctx context.Context, db runner, s *seen)
}

// isFor reports whether a statement is for a database: only is the name of one,
// "!" and the name of the one that it isn't for, or empty for all.
func isFor(only string, db *testdb.DB) bool {
	if not, ok := strings.CutPrefix(only, "!"); ok {
		return not != db.Backend
	}
	return only == "" || only == db.Backend
}

// dump is a table as text, in order.
func dump(t *testing.T, db *testdb.DB, model any) string {
	t.Helper()
	q := db.NewSelect().Model(model)
	if _, ok := model.(*Product); ok {
		q = q.WhereAllWithDeleted().ColumnExpr("?PKs, ?, name, price, labels, size_width, size_height, maker, ?, deleted_at IS NULL AS there",
			bun.Ident("Stock Unit"), bun.Ident("order"))
	}
	var rows []map[string]any
	require.NoError(t, q.OrderExpr("?PKs").Scan(t.Context(), &rows))
	return fmt.Sprintf("%v", rows)
}
