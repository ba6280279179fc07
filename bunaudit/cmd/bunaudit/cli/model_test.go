package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

type Customer struct {
	bun.BaseModel `bun:"table:customers,audit"`

	ID    int64 `bun:",pk"`
	Name  string
	Email string `bun:",audit:redact"`
	IBAN  string `bun:",audit:hash"`
}

type Seat struct {
	bun.BaseModel `bun:"table:seats,audit"`

	ID    int64 `bun:",pk"`
	Label string
}

// shop is a program that knows the models, and its database.
func shop(t *testing.T, db *testdb.DB) (ask func(args ...string) result, audited *bun.DB) {
	t.Helper()
	key := []byte("0123456789abcdef")
	require.NoError(t, sqlsink.New().CreateTable(t.Context(), db))
	for _, m := range []any{(*Customer)(nil), (*Seat)(nil)} {
		_, err := db.NewCreateTable().Model(m).Exec(t.Context())
		require.NoError(t, err)
	}
	open := func() *bun.DB {
		bunDB := db.Open(t)
		bunDB.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: sqlsink.New(), HashKey: key}))
		return bunDB
	}
	cfg := Config{Name: "shop-audit", Models: []Model{For[Customer](), For[Seat]()}, HashKey: key}
	cfg.Open = func(context.Context, string) (*bun.DB, error) { return open(), nil }
	return func(args ...string) result { return run(t.Context(), cfg, args...) }, open()
}

func TestCommandsOfAProgramThatKnowsTheModels(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		ask, audited := shop(t, db)
		old := []Customer{{ID: 1, Name: "Ann", Email: "a@b", IBAN: "AT1"}, {ID: 2, Name: "Bob", Email: "b@b", IBAN: "AT2"}}
		_, err := db.NewInsert().Model(&old).Exec(t.Context()) // older than the audit
		require.NoError(t, err)

		r := ask("verify")
		assert.Equal(t, exitFailed, r.code)
		assert.Contains(t, r.out, "TABLE      KEY       FINDING  FIELD  HISTORY  TABLE HAS\ncustomers  {\"id\":1}  unknown")
		assert.Equal(t, "shop-audit: rows that differ from their history: 2\n", r.err)

		r = ask("baseline", "customers", "--actor", "ops", "--reason", "go live", "--yes")
		assert.Equal(t, result{out: "customers: 2 rows recorded\n"}, r)
		assert.Equal(t, result{out: `{"table":"customers","rows":0}` + "\n" + `{"table":"seats","rows":0}` + "\n"}, ask("baseline", "--yes", "--json"))
		assert.Contains(t, ask("history", "customers").out, "ops")
		assert.Equal(t, 1, strings.Count(ask("history", "customers", "--key", "id=1").out, "[redact]"), "no old value is hidden: there was none")
		assert.Equal(t, result{out: "fine: every row is as its history says\n"}, ask("verify"))
		assert.Equal(t, result{}, ask("verify", "--json"))
		assert.Equal(t, result{out: "fine: the table of events is there\n"}, ask("check"))

		_, err = db.NewUpdate().Model((*Customer)(nil)).Set("name = 'X', iban = 'AT9', email = 'unseen'").Where("id = 2").Exec(t.Context())
		require.NoError(t, err)
		r = ask("verify", "Customer", "--json") // by the model's name, too
		assert.Equal(t, exitFailed, r.code)
		var f finding
		require.NoError(t, json.Unmarshal([]byte(r.out), &f))
		assert.Equal(t, "differs", f.Kind)
		assert.Equal(t, []field{{"name", json.RawMessage(`"Bob"`), json.RawMessage(`"X"`), ""}, {Field: "iban", Mask: "hash"}}, f.Fields)
		assert.Zero(t, ask("verify", "customers", "--key", "id=1").code)
		assert.Contains(t, ask("verify", "customers", "--key", "id=2").out, `"Bob"    "X"`)

		mistake := Customer{ID: 1, Name: "Oops"}
		_, err = audited.NewUpdate().Model(&mistake).Column("name").WherePK().Exec(t.Context())
		require.NoError(t, err)
		_, err = audited.NewInsert().Model(&Seat{ID: 7, Label: "w"}).Exec(t.Context())
		require.NoError(t, err)
		undo := []string{"revert", "customers", "--key", "id=1", "--since", "2020-01-01", "--reason", "typo"}
		r = ask(undo...)
		assert.Equal(t, result{out: "1 change would be undone, of 1 row (1 update): say --yes to do so\n"}, r)

		var last struct{ Tx string }
		require.NoError(t, json.Unmarshal([]byte(ask("history", "customers", "--json", "--limit", "1").out), &last))
		r = ask("revert", "--tx", last.Tx, "--reason", "typo", "--actor", "ops", "--yes", "--json")
		assert.Equal(t, result{out: `{"events":1,"rows":1,"dry_run":false}` + "\n"}, r)
		var now Customer
		require.NoError(t, db.NewSelect().Model(&now).Where("id = 1").Scan(t.Context()))
		assert.Equal(t, "Ann", now.Name)
		assert.Contains(t, ask("history", "customers", "--limit", "1").out, "typo")
		again := []string{"revert", "--tx", last.Tx, "--reason", "typo"} // it is undone already, which a dry run says too
		r = ask(again...)
		assert.Equal(t, result{exitFailed, "", "shop-audit: retrieval: revert customers: the row has changed since: column name ({\"id\":1}): --force would overwrite that\n"}, r)
		assert.Equal(t, r, ask(append(again, "--yes")...))
		mistake.Email = "c@d"
		_, err = audited.NewUpdate().Model(&mistake).Column("email").WherePK().Exec(t.Context())
		require.NoError(t, err)
		hidden := []string{"revert", "customers", "--key", "id=1", "--since", "2020-01-01", "--reason", "typo"}
		r = ask(hidden...)
		assert.Equal(t, result{exitFailed, "", "shop-audit: retrieval: revert: column email of customers: the values are not on record: " +
			"--skip-masked would leave them as they are\n"}, r)
		assert.Equal(t, r, ask(append(hidden, "--yes")...))
		_, err = db.NewDelete().Model((*Customer)(nil)).Where("id = 1").Exec(t.Context())
		require.NoError(t, err)
		r = ask(append(again, "--force")...)
		assert.Equal(t, exitFailed, r.code)
		assert.Contains(t, r.err, "it is no longer there ({\"id\":1})")
		assert.Equal(t, r, ask(append(again, "--force", "--yes")...))
		assert.Equal(t, exitFailed, ask("revert", "--tx", "00000000-0000-7000-8000-000000000001", "--reason", "r", "--yes").code, "there is none")

		for _, args := range []string{"verify orders", "baseline orders --yes", "revert orders --key id=1 --since 1h --reason r --yes", "verify customers --key no=1"} {
			r := ask(strings.Fields(args)...)
			assert.Equal(t, exitUsage, r.code, args)
			assert.Contains(t, r.err, "shop-audit: ", args)
		}
		assert.Contains(t, ask("verify", "orders").err, "the models have customers, seats")
	})
}
