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
