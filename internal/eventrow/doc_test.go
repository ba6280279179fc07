package eventrow_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
)

func schemaDoc(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/schema.md")
	require.NoError(t, err)
	return string(doc)
}

func TestDocShowsTheDDLOfEachDialect(t *testing.T) {
	doc := schemaDoc(t)
	table := eventrow.Table{Name: "audit_events"}
	for name, d := range map[string]eventrow.Dialect{"PostgreSQL": pgdialect.New(), "SQLite": sqlitedialect.New(), "MariaDB and MySQL": mysqldialect.New()} {
		t.Run(name, func(t *testing.T) {
			stmts, err := table.Create(d)
			require.NoError(t, err)
			want := "### " + name + "\n\n```sql\n" + strings.Join(stmts, ";\n") + ";\n```\n"
			if !strings.Contains(doc, want) {
				t.Errorf("docs/schema.md lacks this text:\n%s", want)
			}
		})
	}
}

func TestDocDescribesEachColumn(t *testing.T) {
	doc := schemaDoc(t)
	row := reflect.TypeFor[eventrow.Row]()
	for i := 1; i < row.NumField(); i++ { // from 1: after the BaseModel
		column, _, _ := strings.Cut(row.Field(i).Tag.Get("bun"), ",")
		assert.Contains(t, doc, "\n| `"+column+"` |")
	}
}

type oracle struct{}

func (oracle) Name() dialect.Name { return dialect.Oracle }
func (oracle) IdentQuote() byte   { return '"' }

func TestDialectWithoutDDLIsAnError(t *testing.T) {
	table := eventrow.Table{Name: "a"}
	_, err := table.Create(oracle{})
	require.EqualError(t, err, "the dialect oracle is not supported: use PostgreSQL, SQLite or MySQL")
	_, err = table.Drop(oracle{})
	require.EqualError(t, err, "the dialect oracle is not supported: use PostgreSQL, SQLite or MySQL")
}

// A queue has the columns of the table of events, and no index but its key.
func TestQueueHasTheColumnsWithoutTheIndexes(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		table := eventrow.Table{Name: "queue"}
		stmts, err := table.CreateQueue(db.Dialect(), eventrow.Column{Name: "error", Type: "text NOT NULL"})
		require.NoError(t, err)
		for range 2 { // the second finds nothing to do
			require.NoError(t, eventrow.Apply(t.Context(), db, stmts))
		}
		batches, err := eventrow.Encode(append(events(2), events(2)...)) // the same ids
		require.NoError(t, err)
		require.ErrorContains(t, table.Insert(t.Context(), db.DB, db.DB, batches), "error", "it has no default")
		plain := eventrow.Table{Name: "plain"}
		stmts, err = plain.CreateQueue(db.Dialect())
		require.NoError(t, err)
		require.NoError(t, eventrow.Apply(t.Context(), db, stmts))
		require.NoError(t, plain.Insert(t.Context(), db.DB, db.DB, batches))
		assert.Equal(t, append(events(2), events(2)...), read(t, db, plain))
		assert.NotContains(t, strings.Join(stmts, ";"), "INDEX")
	})
}
