package retrieval_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

// grade renders itself.
type grade struct{ schema.QueryAppender }

func (g *grade) Scan(v any) error {
	g.QueryAppender = bun.SafeQuery("?", v)
	return nil
}

type packedDoc struct {
	A int
	B string
}

// Packed has columns whose text only the stored value tells. Bun reads msgpack
// back on PostgreSQL alone.
type Packed struct {
	bun.BaseModel `bun:"table:packed,audit"`

	ID    int64          `bun:",pk"`
	Doc   packedDoc      `bun:"type:bytea,msgpack"`
	Ptr   *packedDoc     `bun:"type:bytea,msgpack"`
	Map   map[string]int `bun:"type:bytea,msgpack"`
	Grade grade          `bun:"type:varchar(1)"`
	JSON  packedDoc
}

// What has no form that is known beforehand is refused with a way out, which
// works.
func TestConditionsOnEncodedColumns(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	pool := audited(t, db, (*Packed)(nil))
	doc := packedDoc{1, "x"}
	insert(t, pool, Packed{ID: 1, Doc: doc, Map: map[string]int{"a": 1, "b": 2}, Grade: grade{bun.SafeQuery("?", "C")}, JSON: doc})
	count := func(field string, v any) (int, error) {
		return retrieval.For[Packed](pool).WhereNew(field, v).Count(t.Context())
	}
	for _, tt := range []struct {
		field string
		v     any
		says  string
	}{
		{"doc", doc, "msgpack"}, {"Doc", &doc, "msgpack"}, {"ptr", &doc, "msgpack"}, {"map", map[string]int{"a": 1}, "msgpack"}, {"doc", []byte{1}, "msgpack"},
		{"grade", grade{bun.SafeQuery("?", "C")}, "AppendQuery"},
	} {
		_, err := count(tt.field, tt.v)
		require.ErrorContains(t, err, tt.says, tt.field)
		require.ErrorContains(t, err, "ForTable", tt.field)
	}
	for field, v := range map[string]any{"ptr": nil, "json": doc, "grade": "C"} {
		n, err := count(field, v)
		require.NoError(t, err, field)
		assert.Equal(t, 1, n, field)
	}

	first, err := retrieval.For[Packed](pool).First(t.Context())
	require.NoError(t, err)
	row, err := first.New()
	require.NoError(t, err)
	assert.Equal(t, doc, row.Doc)
	for _, field := range []string{"doc", "map", "grade"} {
		n, err := retrieval.ForTable(pool, "packed").WhereNew(field, first.Changes[field].New).Count(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, n, field)
	}
	var stored []byte
	require.NoError(t, db.NewRaw("SELECT doc FROM packed").Scan(t.Context(), &stored))
	n, err := retrieval.ForTable(pool, "packed").WhereNew("doc", stored).Count(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}
