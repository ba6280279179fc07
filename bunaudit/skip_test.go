package bunaudit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// Ledger is not audited.
type Ledger struct {
	bun.BaseModel `bun:"table:ledgers"`

	ID    int64 `bun:",pk,autoincrement"`
	Name  string
	Score int
}

type Archive struct {
	bun.BaseModel `bun:"table:archive"`

	Name string
}

// logged are the lines that a JSON slog handler wrote.
func logged(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for _, text := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if text == "" {
			continue
		}
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &l))
		lines = append(lines, l)
	}
	out.Reset()
	return lines
}

// brokenAnyway are statements that the database itself rejects here.
var brokenAnyway = map[string]bool{
	"a builder that can't be taken apart": true,
	"WHERE CURRENT OF":                    true,
}

// passes asserts that the statement had its effect on the table, or was
// rejected by the database.
func passes(t *testing.T, name string, err error) {
	t.Helper()
	var refused *bunaudit.UncapturableError
	require.False(t, errors.As(err, &refused), "%v", err)
	if !brokenAnyway[name] {
		require.NoError(t, err)
	}
}

func TestWhatIsRefusedPassesOnOtherTables(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		var out bytes.Buffer
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Customer)(nil)}, Log: slog.New(slog.NewJSONHandler(&out, nil))},
			(*Customer)(nil), (*Ledger)(nil), (*Archive)(nil))
		for _, c := range refusals {
			if c.only == "" || c.only == db.Backend {
				_, err := db.NewInsert().Model(&Ledger{Name: "a"}).Exec(t.Context()) // for those with RETURNING
				require.NoError(t, err)
				passes(t, c.name, c.run(deadline(t), a, (*Ledger)(nil), "ledgers"))
			}
		}
		require.Empty(t, a.events(t))
		require.Empty(t, logged(t, &out))
	})
}

func TestSkipLetsEverythingPassAndIsLogged(t *testing.T) {
	for place, in := range refusing {
		t.Run(place, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				var out bytes.Buffer
				a := newAudited(t, db, bunaudit.Config{Log: slog.New(slog.NewJSONHandler(&out, nil))}, (*Customer)(nil), (*Archive)(nil))
				ctx := bunaudit.Skip(deadline(t), "nightly re-index")
				_, err := a.NewInsert().Model(&[]Customer{{Name: "a", Score: 1}, {Name: "b", Score: 2}}).Exec(ctx)
				require.NoError(t, err)
				require.Len(t, logged(t, &out), 1)
				for _, c := range refusals {
					if c.only != "" && c.only != db.Backend || brokenAnyway[c.name] && place == "in a transaction" {
						continue
					}
					_, err := db.NewInsert().Model(&Customer{Name: "a"}).Exec(ctx) // for those with RETURNING
					require.NoError(t, err)
					in(t, ctx, a.DB, func(db runner) { err = c.run(ctx, db, (*Customer)(nil), "customers") })
					passes(t, c.name, err)
					lines := logged(t, &out)
					require.NotEmpty(t, lines, c.name)
					for _, l := range lines {
						require.Equal(t, "INFO", l["level"], c.name)
						require.Equal(t, "bunaudit: skipped a statement on an audited table", l["msg"])
						require.Equal(t, "customers", l["table"])
						require.Equal(t, "nightly re-index", l["reason"])
					}
					if c.op != "" {
						require.Equal(t, c.op, lines[0]["operation"], c.name)
					}
				}
				require.Empty(t, a.events(t))
			})
		})
	}
}

func TestWhatWritesNoRowPasses(t *testing.T) {
	statements := map[string]func(ctx context.Context, db runner) error{
		"SELECT": func(ctx context.Context, db runner) error {
			return db.NewSelect().Model(new([]Customer)).Scan(ctx)
		},
		"SELECT by raw text": func(ctx context.Context, db runner) error {
			return query(db.QueryContext(ctx, "WITH c AS (SELECT * FROM customers) SELECT * FROM c; "))
		},
		"count": func(ctx context.Context, db runner) error {
			return exec(db.NewSelect().Model((*Customer)(nil)).Where("name = 'DELETE FROM customers'").Count(ctx))
		},
		"exists": func(ctx context.Context, db runner) error {
			return exec(db.NewSelect().Model((*Customer)(nil)).Exists(ctx))
		},
		"SELECT in a string that looks like a write": func(ctx context.Context, db runner) error {
			return query(db.QueryContext(ctx, "SELECT '; DELETE FROM customers' AS a /* UPDATE customers SET */"))
		},
		"create an index": func(ctx context.Context, db runner) error {
			return exec(db.NewCreateIndex().Model((*Customer)(nil)).Index("by_name").Column("name").IfNotExists().Exec(ctx))
		},
		"add and drop a column": func(ctx context.Context, db runner) error {
			if _, err := db.NewAddColumn().Model((*Customer)(nil)).ColumnExpr("extra int").Exec(ctx); err != nil {
				return err
			}
			return exec(db.NewDropColumn().Model((*Customer)(nil)).Column("extra").Exec(ctx))
		},
		"create and drop a table from it": func(ctx context.Context, db runner) error {
			if _, err := db.ExecContext(ctx, "CREATE TABLE copied AS SELECT * FROM customers"); err != nil {
				return err
			}
			return exec(db.NewDropTable().Table("copied").Exec(ctx))
		},
		"insert into another from it": func(ctx context.Context, db runner) error {
			return exec(db.ExecContext(ctx, "INSERT INTO archive SELECT name FROM customers"))
		},
		"a condition on it": func(ctx context.Context, db runner) error {
			return exec(db.NewDelete().Model((*Archive)(nil)).Where("name IN (SELECT name FROM customers)").Exec(ctx))
		},
		"lock rows": func(ctx context.Context, db runner) error {
			q := db.NewSelect().Model(new([]Customer))
			if db.Dialect().Name().String() == "pg" {
				q = q.For("UPDATE SKIP LOCKED")
			}
			return q.Scan(ctx)
		},
	}
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := deadline(t)
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Customer)(nil)}, Log: silent}, (*Customer)(nil), (*Archive)(nil))
		for name, run := range statements {
			for place, in := range refusing {
				var err error
				in(t, bunaudit.Skip(ctx, "test"), a.DB, func(db runner) { err = run(ctx, db) })
				require.NoError(t, err, name+" "+place)
			}
		}
		require.Empty(t, a.events(t))
	})
}

func TestAModelThatNamesAnotherAuditedTableIsRecordedThere(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Note)(nil)}}, (*Customer)(nil), (*Note)(nil))
		_, err := a.NewUpdate().Model((*Customer)(nil)).ModelTableExpr("notes").Set("text = 'x'").Where("id = 1").Exec(t.Context())
		require.NoError(t, err)
		_, err = a.NewDelete().Model((*Customer)(nil)).ModelTableExpr("notes").Where("1 = 1").Exec(t.Context())
		require.NoError(t, err)
		_, err = db.NewInsert().Model(&Note{Text: "a"}).Exec(t.Context())
		require.NoError(t, err)
		_, err = a.NewDelete().Model((*Customer)(nil)).ModelTableExpr("notes").Where("1 = 1").Exec(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{`delete notes {"id":1}: text "a"`}, a.story(t))
	})
}
