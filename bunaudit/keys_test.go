package bunaudit_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

type Coded struct {
	bun.BaseModel `bun:"table:coded,alias:c o,audit"`

	Code string `bun:",pk"`
	N    int
}

type Token struct {
	bun.BaseModel `bun:"table:tokens,audit"`

	ID uuid.UUID `bun:"type:uuid,pk"`
	N  int
}

// Odd has names that have to be quoted.
type Odd struct {
	bun.BaseModel `bun:"table:Odd Table,alias:select,audit"`

	ID   int64  `bun:"The Key,pk"`
	From string `bun:"from"`
	Big  string `bun:"Größe"`
	Said string `bun:"it's?"`
}

type Address struct {
	Street string
	Zip    string `bun:"zip_code,audit:-"`
}

type base struct {
	ID int64 `bun:",pk"`
}

type Person struct {
	bun.BaseModel `bun:"table:people,alias:p,audit"`
	base

	Home Address `bun:"embed:home_"`
	Age  *int
}

// Log has no primary key.
type Log struct {
	bun.BaseModel `bun:"table:log,audit"`

	Host string `bun:",audit_key"`
	Line int    `bun:",audit_key"`
	Text string
}

// Natural has a primary key that nobody wants to see.
type Natural struct {
	bun.BaseModel `bun:"table:naturals,audit,audit_label:Naturling"`

	ID    int64  `bun:",pk,autoincrement"`
	Email string `bun:",audit_key"`
	N     int
}

func TestKeysAndNamesOfAllKinds(t *testing.T) {
	id := uuid.MustParse("0191e7a4-5ad6-7a5b-8c3d-111213141516")
	cases := []struct {
		name  string
		model any
		steps []func(ctx context.Context, db runner) error
		want  []string
	}{
		{"a composite key, and a change of one part", (*Line)(nil), []func(context.Context, runner) error{
			func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&[]Line{{Bill: "it's", N: 1, Text: "a"}, {Bill: "it's", N: 2, Text: "b"}, {Bill: "x", N: 1, Text: "c"}}).Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Line)(nil)).Set("text = concat(text, '!')").Where("bill = ?", "it's").Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Line)(nil)).Set("n = 3").Where("bill = 'x'").Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				set := "(n, bill) = (n + ?, concat(bill, 's'))"
				if onMariaDB(db) { // which assigns one by one
					set = "n = n + ?, bill = concat(bill, 's')"
				}
				return exec(db.NewUpdate().Model((*Line)(nil)).Set(set, 10).Where("bill = ?", "it's").Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				set := "(text, bill, n) = (concat(text, bill), ?, n - 10)"
				if onMariaDB(db) {
					set = "text = concat(text, bill), bill = ?, n = n - 10"
				}
				return exec(db.NewUpdate().Model((*Line)(nil)).Set(set, "it's").Where("n > 10").Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewDelete().Model(&[]Line{{Bill: "x", N: 3}, {Bill: "it's", N: 2}}).WherePK().Exec(ctx))
			},
		}, []string{
			`insert bill_lines {"bill":"it's","n":1}: text -> "a"`, `insert bill_lines {"bill":"it's","n":2}: text -> "b"`, `insert bill_lines {"bill":"x","n":1}: text -> "c"`,
			`update bill_lines {"bill":"it's","n":1}: text "a" -> "a!"`, `update bill_lines {"bill":"it's","n":2}: text "b" -> "b!"`,
			`update bill_lines {"bill":"x","n":3} was {"bill":"x","n":1}: n 1 -> 3`,
			`update bill_lines {"bill":"it'ss","n":11} was {"bill":"it's","n":1}: bill "it's" -> "it'ss", n 1 -> 11`,
			`update bill_lines {"bill":"it'ss","n":12} was {"bill":"it's","n":2}: bill "it's" -> "it'ss", n 2 -> 12`,
			`update bill_lines {"bill":"it's","n":1} was {"bill":"it'ss","n":11}: bill "it'ss" -> "it's", n 11 -> 1, text "a!" -> "a!it'ss"`,
			`update bill_lines {"bill":"it's","n":2} was {"bill":"it'ss","n":12}: bill "it'ss" -> "it's", n 12 -> 2, text "b!" -> "b!it'ss"`,
			`delete bill_lines {"bill":"it's","n":2}: text "b!it'ss"`, `delete bill_lines {"bill":"x","n":3}: text "c"`,
		}},
		{"a string key, and an alias to be quoted", (*Coded)(nil), []func(context.Context, runner) error{
			func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&[]Coded{{Code: `1`, N: 1}, {Code: `a'b"c\d`, N: 2}, {Code: "01", N: 3}}).Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Coded)(nil)).Set("n = ?TableAlias.n + 10").Where("?TableAlias.n < 4").Exec(ctx))
			},
		}, []string{
			`insert coded {"code":"1"}: n -> 1`, `insert coded {"code":"a'b\"c\\d"}: n -> 2`, `insert coded {"code":"01"}: n -> 3`,
			`update coded {"code":"01"}: n 3 -> 13`, `update coded {"code":"1"}: n 1 -> 11`, `update coded {"code":"a'b\"c\\d"}: n 2 -> 12`,
		}},
		{"a UUID", (*Token)(nil), []func(context.Context, runner) error{
			func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&Token{ID: id}).Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&Token{ID: id, N: 4}).WherePK().Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewDelete().Model(&Token{ID: id}).WherePK().Exec(ctx))
			},
		}, []string{
			`insert tokens {"id":"` + id.String() + `"}: n -> 0`, `update tokens {"id":"` + id.String() + `"}: n 0 -> 4`,
			`delete tokens {"id":"` + id.String() + `"}: n 4`,
		}},
		{"names to be quoted", (*Odd)(nil), []func(context.Context, runner) error{
			func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&Odd{ID: 1, From: "f", Big: "g", Said: "s"}).Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&Odd{ID: 1, From: "F", Big: "G?", Said: "S"}).WherePK().Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewRaw("DELETE FROM ? WHERE ? = 'F'", bun.Ident("Odd Table"), bun.Ident("from")).Exec(ctx))
			},
		}, []string{
			`insert Odd Table {"The Key":1}: Größe -> "g", from -> "f", it's? -> "s"`,
			`update Odd Table {"The Key":1}: Größe "g" -> "G?", from "f" -> "F", it's? "s" -> "S"`,
			`delete Odd Table {"The Key":1}: Größe "G?", from "F", it's? "S"`,
		}},
		{"embedded structs, with and without a prefix", (*Person)(nil), []func(context.Context, runner) error{
			func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&Person{base: base{ID: 1}, Home: Address{"s", "z"}}).Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model(&Person{base: base{ID: 1}, Home: Address{"S", "Z"}, Age: ptr(4)}).WherePK().Exec(ctx))
			},
		}, []string{
			`insert people {"id":1}: age -> null, home_street -> "s"`,
			`update people {"id":1}: age null -> 4, home_street "s" -> "S"`,
		}},
		{"a model without a primary key", (*Log)(nil), []func(context.Context, runner) error{
			func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&[]Log{{Host: "a", Line: 1, Text: "x"}, {Host: "a", Line: 2, Text: "y"}}).Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Log)(nil)).Set("text = 'z'").Where("line = 2").Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewDelete().Model((*Log)(nil)).Where("line = 1").Exec(ctx))
			},
		}, []string{
			`insert log {"host":"a","line":1}: text -> "x"`, `insert log {"host":"a","line":2}: text -> "y"`,
			`update log {"host":"a","line":2}: text "y" -> "z"`, `delete log {"host":"a","line":1}: text "x"`,
		}},
		{"another key in the record than in the table", (*Natural)(nil), []func(context.Context, runner) error{
			func(ctx context.Context, db runner) error {
				return exec(db.NewInsert().Model(&[]Natural{{Email: "a"}, {Email: "b"}}).Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Natural)(nil)).Set("n = id").Where("1 = 1").Exec(ctx))
			},
			func(ctx context.Context, db runner) error {
				return exec(db.NewUpdate().Model((*Natural)(nil)).Set("email = concat(email, '2')").Where("1 = 1").Exec(ctx))
			},
		}, []string{
			`insert naturals {"email":"a"}: id -> 1, n -> 0`, `insert naturals {"email":"b"}: id -> 2, n -> 0`,
			`update naturals {"email":"a"}: n 0 -> 1`, `update naturals {"email":"b"}: n 0 -> 2`,
			`update naturals {"email":"a2"} was {"email":"a"}: email "a" -> "a2"`, `update naturals {"email":"b2"} was {"email":"b"}: email "b" -> "b2"`,
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{}, c.model)
				require.NoError(t, a.hook.Check(t.Context()))
				for i, step := range c.steps {
					require.NoError(t, step(t.Context(), a), "step %d", i)
				}
				require.ElementsMatch(t, c.want, a.story(t))
			})
		})
	}
}

func TestATableInASchema(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	schema := db.NewSchema(t)
	_, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+schema+"; CREATE TABLE "+schema+".customers (id bigserial PRIMARY KEY, name text, email text, score int)")
	require.NoError(t, err)
	a := newAudited(t, db, bunaudit.Config{}, (*Customer)(nil))
	_, err = a.NewInsert().Model(&Customer{Name: "a"}).ModelTableExpr("?.customers", bun.Ident(schema)).Exec(t.Context())
	require.NoError(t, err)
	_, err = a.NewUpdate().Model((*Customer)(nil)).ModelTableExpr("?.customers AS customer", bun.Ident(schema)).Set("score = 2").Where("customer.id = 1").Exec(t.Context())
	require.NoError(t, err)
	_, err = a.NewRaw("DELETE FROM ?.customers", bun.Ident(schema)).Exec(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{
		`insert ` + schema + `.customers {"id":1}: email -> null, name -> "a", score -> 0`,
		`update ` + schema + `.customers {"id":1}: score 0 -> 2`,
		`delete ` + schema + `.customers {"id":1}: email null, name "a", score 2`,
	}, a.story(t))
}
