package bunaudit_test

import (
	"context"
	"database/sql"

	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Account has every constraint.
type Account struct {
	bun.BaseModel `bun:"table:accounts,audit"`

	ID     int64  `bun:",pk"`
	Name   string `bun:",unique,nullzero,notnull"`
	Amount int
	Owner  *int64
}

// Gone has no table.
type Gone struct {
	bun.BaseModel `bun:"table:gone,audit"`

	ID int64 `bun:",pk"`
}

func createAccounts(t *testing.T, db *testdb.DB) {
	t.Helper()
	late := " DEFERRABLE INITIALLY DEFERRED"
	if onMariaDB(db) {
		late = "" // it has no such thing
	}
	_, err := db.ExecContext(t.Context(), `CREATE TABLE accounts (id bigint PRIMARY KEY, name varchar(8) NOT NULL UNIQUE,
		amount int NOT NULL CHECK (amount >= 0), owner bigint REFERENCES accounts (id),
		late bigint REFERENCES accounts (id)`+late+`)`)
	require.NoError(t, err)
}

func fillAccounts(t *testing.T, db *testdb.DB) {
	t.Helper()
	// InnoDB looks at a foreign key row by row.
	_, err := db.ExecContext(t.Context(), "UPDATE accounts SET owner = NULL; DELETE FROM accounts")
	require.NoError(t, err)
	_, err = db.NewInsert().Model(&[]Account{{ID: 1, Name: "a", Amount: 1}, {ID: 2, Name: "b", Amount: 2, Owner: ptr(int64(1))}}).Exec(t.Context())
	require.NoError(t, err)
}

type failingStatement struct {
	name string
	only string
	run  func(ctx context.Context, db runner) error
}

var failingStatements = []failingStatement{
	{"insert twice", "", func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Account{ID: 1, Name: "z"}).Exec(ctx))
	}},
	{"insert a slice, one of them twice", "", func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&[]Account{{ID: 8, Name: "y"}, {ID: 9, Name: "a"}}).Exec(ctx))
	}},
	{"insert returning", "", func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Account{ID: 9, Name: "a"}).Returning("*").Exec(ctx))
	}},
	{"insert null", "", func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Account{ID: 9}).Value("name", "NULL").Exec(ctx))
	}},
	{"insert against a check", "", func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Account{ID: 9, Name: "z", Amount: -1}).Exec(ctx))
	}},
	{"insert against a foreign key", "", func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Account{ID: 9, Name: "z", Owner: ptr(int64(77))}).Exec(ctx))
	}},
	{"insert into a column that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewRaw("INSERT INTO accounts (id, nowhere) VALUES (9, 1)").Exec(ctx))
	}},
	{"insert a value of another type", testdb.Postgres, func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Account{ID: 9, Name: "z"}).Value("amount", "'many'").Exec(ctx))
	}},
	{"insert a value that is too long", testdb.Postgres, func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Account{ID: 9, Name: "longer than eight"}).Exec(ctx))
	}},
	{"update to a name that is taken", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("name = 'a'").Where("id = 2").Exec(ctx))
	}},
	{"update against a check", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = amount - 2").Where("id > 0").Exec(ctx))
	}},
	{"update a key that is referred to", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("id = 10").Where("id = 1").Exec(ctx))
	}},
	{"update a column that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("nowhere = 1").Where("id = 1").Exec(ctx))
	}},
	{"update by a column that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = 1").Where("nowhere = 1").Exec(ctx))
	}},
	{"update by a function that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = 1").Where("nowhere(id) = 1").Exec(ctx))
	}},
	{"update by a table that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = 1").Where("id IN (SELECT id FROM nowhere)").Exec(ctx))
	}},
	{"update with a syntax error", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = = 1").Where("id = 1").Exec(ctx))
	}},
	{"update with a syntax error in the condition", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = 1").Where("id = = 1").Exec(ctx))
	}},
	{"update returning a column that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = 1").Where("id = 1").Returning("nowhere").Exec(ctx))
	}},
	{"update that divides by zero", testdb.Postgres, func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = amount / 0").Where("id = 1").Exec(ctx))
	}},
	{"update that divides by zero in the condition", testdb.Postgres, func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = 1").Where("amount / 0 = 1").Exec(ctx))
	}},
	{"update by an ambiguous column", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model((*Account)(nil)).TableExpr("accounts AS other").Set("amount = 1").Where("id = 1").Exec(ctx))
	}},
	// SQLite's drivers leave the transaction open where its COMMIT fails.
	{"update against a deferred foreign key", testdb.Postgres, func(ctx context.Context, db runner) error {
		return exec(db.NewRaw("UPDATE accounts SET late = 77 WHERE id = 1").Exec(ctx))
	}},
	{"delete what is referred to", "", func(ctx context.Context, db runner) error {
		return exec(db.NewDelete().Model((*Account)(nil)).Where("id = 1").Exec(ctx))
	}},
	{"delete by a column that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewDelete().Model((*Account)(nil)).Where("nowhere = 1").Exec(ctx))
	}},
	{"delete returning a column that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewDelete().Model((*Account)(nil)).Where("id = 2").Returning("nowhere").Exec(ctx))
	}},
	{"insert into a table that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewInsert().Model(&Gone{ID: 1}).Exec(ctx))
	}},
	{"update a table that isn't there", "", func(ctx context.Context, db runner) error {
		return exec(db.NewUpdate().Model(&Gone{ID: 1}).Set("id = 2").WherePK().Exec(ctx))
	}},
	{"delete from a table that isn't there, scanned", "", func(ctx context.Context, db runner) error {
		return db.NewDelete().Model(&Gone{ID: 1}).WherePK().Returning("*").Scan(ctx)
	}},
	{"the context is done", "", func(ctx context.Context, db runner) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return exec(db.NewUpdate().Model((*Account)(nil)).Set("amount = 9").Where("id = 1").Exec(ctx))
	}},
	{"the context is past its deadline", "", func(ctx context.Context, db runner) error {
		ctx, cancel := context.WithTimeout(ctx, 0)
		defer cancel()
		return exec(db.NewInsert().Model(&Account{ID: 9, Name: "z"}).Exec(ctx))
	}},
}

func insertAfter(ctx context.Context, db runner) error {
	return exec(db.NewInsert().Model(&Account{ID: 100, Name: "after"}).Exec(ctx))
}

// afterErrors are what a caller does around a statement that fails.
var afterErrors = map[string]func(ctx context.Context, db *bun.DB, run func(ctx context.Context, db runner) error, s *seen){
	"on the pool": func(ctx context.Context, db *bun.DB, run func(context.Context, runner) error, s *seen) {
		s.error(run(ctx, db))
		s.error(insertAfter(ctx, db))
	},
	"in a transaction that goes on": func(ctx context.Context, db *bun.DB, run func(context.Context, runner) error, s *seen) {
		tx, err := db.BeginTx(ctx, nil)
		s.error(err)
		s.error(exec(tx.NewInsert().Model(&Account{ID: 50, Name: "before"}).Exec(ctx)))
		s.error(run(ctx, tx))
		s.error(insertAfter(ctx, tx))
		s.error(tx.Commit())
	},
	"in a transaction that commits at once": func(ctx context.Context, db *bun.DB, run func(context.Context, runner) error, s *seen) {
		tx, err := db.BeginTx(ctx, nil)
		s.error(err)
		s.error(exec(tx.NewInsert().Model(&Account{ID: 50, Name: "before"}).Exec(ctx)))
		s.error(run(ctx, tx))
		s.error(tx.Commit())
	},
	"in a savepoint": func(ctx context.Context, db *bun.DB, run func(context.Context, runner) error, s *seen) {
		s.error(db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			s.error(exec(tx.NewInsert().Model(&Account{ID: 50, Name: "before"}).Exec(ctx)))
			s.error(tx.RunInTx(ctx, nil, func(ctx context.Context, sp bun.Tx) error { return run(ctx, sp) }))
			s.error(insertAfter(ctx, tx))
			return nil
		}))
	},
	"on a bun.Conn": func(ctx context.Context, db *bun.DB, run func(context.Context, runner) error, s *seen) {
		conn, err := db.Conn(ctx)
		s.error(err)
		s.error(run(ctx, conn))
		s.error(insertAfter(ctx, conn))
		s.error(conn.Close())
	},
	"in a transaction that is done": func(ctx context.Context, db *bun.DB, run func(context.Context, runner) error, s *seen) {
		tx, err := db.BeginTx(ctx, nil)
		s.error(err)
		s.error(tx.Commit())
		s.error(run(ctx, tx))
		s.error(insertAfter(ctx, tx))
	},
	"in a read-only transaction": func(ctx context.Context, db *bun.DB, run func(context.Context, runner) error, s *seen) {
		if db.Dialect().Name().String() != "pg" {
			return
		}
		tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelReadCommitted})
		s.error(err)
		s.error(insertAfter(ctx, tx))
		s.error(tx.Rollback())
	},
}

func TestErrorsAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	policies := map[string]bunaudit.FailurePolicy{
		"strict":  {},
		"degrade": bunaudit.Degrade(func(_ context.Context, err error) { panic(fmt.Sprint("nothing to report: ", err)) }),
	}
	for policy, onFailure := range policies {
		for place, around := range afterErrors {
			if policy == "degrade" && place != "in a transaction that goes on" && place != "on the pool" {
				continue
			}
			t.Run(policy+"/"+place, func(t *testing.T) {
				everyWay(t, func(t *testing.T, db *testdb.DB) {
					a := newAudited(t, db, bunaudit.Config{OnFailure: onFailure})
					plain := testdb.New(t, db.Backend)
					createAccounts(t, plain)
					createAccounts(t, db)
					for _, c := range failingStatements {
						if !isFor(c.only, db) {
							continue
						}
						if strings.HasPrefix(c.name, "the context is") && place == "on a bun.Conn" {
							continue // pgdriver does not notice, there
						}
						var want, got seen
						fillAccounts(t, plain)
						around(deadline(t), plain.DB, c.run, &want)
						fillAccounts(t, db)
						events := len(a.events(t))
						around(deadline(t), a.DB, c.run, &got)
						if place == "in a read-only transaction" {
							// A statement that writes its events itself is a SELECT to PostgreSQL.
							want, got = withoutVerb(want), withoutVerb(got)
						}
						if !assertEqualSeen(t, c.name, want.without(plain), got.without(db)) {
							t.Fail()
						}
						require.Equal(t, dump(t, plain, (*Account)(nil)), dump(t, db, (*Account)(nil)), c.name)
						var count int
						require.NoError(t, db.NewSelect().Model((*Account)(nil)).ColumnExpr("count(*)").Scan(t.Context(), &count))
						require.Len(t, a.events(t)[events:], count-2, c.name+": an event for each row that was added")
					}
				})
			})
		}
	}
}

var refusedVerb = regexp.MustCompile(`cannot execute [A-Z]+ in a read-only`)

func withoutVerb(s seen) seen {
	out := make(seen, len(s))
	for i, line := range s {
		out[i] = refusedVerb.ReplaceAllString(line, "cannot execute it in a read-only")
	}
	return out
}

func assertEqualSeen(t *testing.T, name string, want, got seen) bool {
	t.Helper()
	for i := range want {
		if i >= len(got) || want[i] != got[i] {
			t.Errorf("%s, step %d:\n want %s\n got  %v", name, i, want[i], got[min(i, len(got)-1)])
			return false
		}
	}
	return len(want) == len(got)
}
