package cli

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

type Good struct {
	bun.BaseModel `bun:"table:goods,audit"`

	SKU  string `bun:"sku,pk,type:varchar(20)"`
	Lot  int64  `bun:",pk"`
	Name string
}

// warehouse is a program that knows goods, whose keys have two columns.
func warehouse(t *testing.T, db *testdb.DB) (ask func(args ...string) result, audited *bun.DB) {
	t.Helper()
	require.NoError(t, sqlsink.New().CreateTable(t.Context(), db))
	_, err := db.NewCreateTable().Model((*Good)(nil)).Exec(t.Context())
	require.NoError(t, err)
	open := func() *bun.DB {
		bunDB := db.Open(t)
		bunDB.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: sqlsink.New()}))
		return bunDB
	}
	cfg := Config{Name: "shop-audit", Models: []Model{For[Good]()}}
	cfg.Open = func(context.Context, string) (*bun.DB, error) { return open(), nil }
	return func(args ...string) result { return run(t.Context(), cfg, args...) }, open()
}

func TestCommandsOfAModelWhoseKeyHasSeveralColumns(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		ask, audited := warehouse(t, db)
		_, err := audited.NewInsert().Model(&[]Good{{SKU: "4711", Lot: 1, Name: "nail"}, {SKU: "4711", Lot: 2, Name: "screw"}}).Exec(t.Context())
		require.NoError(t, err)
		_, err = audited.NewUpdate().Model((*Good)(nil)).Set("name = 'x'").Where("lot = 2").Exec(t.Context())
		require.NoError(t, err)

		fine := result{out: "fine: every row is as its history says\n"}
		assert.Equal(t, fine, ask("verify", "goods", "--key", "sku=4711", "--key", "lot=2"), "a text that looks like a number")
		assert.Equal(t, fine, ask("verify", "goods", "--key", `{"lot":2,"sku":"4711"}`))
		none := result{exitFailed, "", "shop-audit: there is no such row, nor has there been one, as far as history goes back\n"}
		assert.Equal(t, none, ask("verify", "goods", "--key", "sku=4711", "--key", "lot=3"), "which is not fine")
		for args, said := range map[string]string{
			"sku=4711":   "key of Good (sku, lot): it lacks lot",
			"lot=2":      "key of Good (sku, lot): it lacks sku",
			"sku:4711":   "--key: write column=value, once for each column of the key: sku:4711",
			`{"sku":"a"`: "--key: not an object of JSON",
		} {
			r := ask("verify", "goods", "--key", args)
			assert.Equal(t, exitUsage, r.code, args)
			assert.Contains(t, r.err, said)
			assert.Contains(t, r.err, "See shop-audit verify --help.")
		}

		undo := []string{"revert", "goods", "--key", "sku=4711", "--key", "lot=2", "--reason", "typo", "--since"}
		would := "2 changes would be undone, of 1 row (1 insert, 1 update): say --yes to do so\n"
		assert.Equal(t, result{out: would}, ask(append(undo, "1h")...), "and the row deleted")
		assert.Equal(t, result{out: "2 changes undone, of 1 row (1 insert, 1 update)\n"}, ask(append(undo, "1h", "--yes")...))
		assert.Equal(t, result{out: "nothing to do: of 3 changes nothing is left to undo\n"}, ask(append(undo, "1h", "--yes")...))
		assert.Equal(t, fine, ask("verify"))
		assert.Equal(t, result{exitFailed, "", "shop-audit: there is no such change\n"}, ask(append(undo, "0s")...))
	})
}

func TestMistakesSayWhatIsMeant(t *testing.T) {
	cfg := Config{Name: "shop-audit"}
	for said, args := range map[string][]string{
		"there is no command hstory: did you mean history?":                           {"hstory"},
		"there is no command erase":                                                   {"erase"},
		"which table? Name one, as in: shop-audit as-of customers --key id=2 --at 7d": {"as-of", "--at", "1d"},
		"one table at a time, and no other argument: b c":                             {"history", "a", "b", "c"},
		"check takes no table and no other argument: customers":                       {"check", "customers"},
		"--op: there is no operation updat: write one of insert update delete":        {"history", "--op", "updat"},
		"--since is not before --until: nothing was in between":                       {"history", "--since", "1h", "--until", "2h"},
	} {
		r := run(t.Context(), cfg, args...)
		assert.Equal(t, exitUsage, r.code, args)
		assert.Contains(t, r.err, "shop-audit: "+said)
	}
}
