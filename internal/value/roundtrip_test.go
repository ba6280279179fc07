package value_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

// roundTrip inserts each row through Bun and checks that the canonical JSON of
// every column decodes to what Bun's own SELECT scans. It returns the JSON of
// the rows by column.
func roundTrip[M any](t *testing.T, db *testdb.DB, rows ...M) []map[string]string {
	t.Helper()
	create[M](t, db)
	var out []map[string]string
	for i := range rows {
		_, err := db.NewInsert().Model(&rows[i]).Exec(t.Context())
		require.NoError(t, err)
	}
	var plain []M
	require.NoError(t, db.NewSelect().Model(&plain).OrderExpr("id").Scan(t.Context()))
	table := db.Table(reflect.TypeFor[M]())
	stored := canonicalRows(t, db, table)
	require.Len(t, stored, len(rows))
	for i, columns := range stored {
		want := reflect.ValueOf(plain[i])
		for _, f := range table.Fields {
			dest := reflect.New(f.StructField.Type).Elem()
			if !assert.NoError(t, value.Decode(f, json.RawMessage(columns[f.Name]), dest), "%s: %s", f.Name, columns[f.Name]) {
				continue
			}
			assert.Equal(t, show(want.FieldByIndex(f.Index)), show(dest), "row %d, column %s, JSON %s", i, f.Name, columns[f.Name])
		}
		out = append(out, columns)
	}
	return out
}

func create[M any](t *testing.T, db *testdb.DB) {
	t.Helper()
	_, err := db.NewCreateTable().Model((*M)(nil)).Exec(t.Context())
	require.NoError(t, err)
}

// show makes values comparable: times by their instant, NaN by its name.
func show(v reflect.Value) string {
	return fmt.Sprintf("%#v", plainValue(v))
}

func plainValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plainValue(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return "nil slice"
		}
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			out, _ := value.AppendJSON(nil, v.Bytes())
			return string(out)
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes()
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plainValue(v.Index(i))
		}
		return out
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().String()
	case bun.NullTime:
		return x.UTC().String()
	case sql.NullTime:
		return fmt.Sprint(x.Time.UTC(), x.Valid)
	}
	return v.Interface()
}

// canonicalRows reads every row of the table as capture does.
func canonicalRows(t *testing.T, db *testdb.DB, table *schema.Table) []map[string]string {
	t.Helper()
	ctx := t.Context()
	var exprs []string
	if db.Backend == testdb.Postgres {
		types, err := value.LoadPostgresTypes(ctx, db.DB.DB, string(table.SQLName))
		require.NoError(t, err)
		for _, f := range table.Fields {
			require.Contains(t, types, f.Name)
			exprs = append(exprs, string(value.AppendPostgresExpr(nil, types[f.Name], string(f.SQLName))))
		}
	} else {
		for _, f := range table.Fields {
			exprs = append(exprs, "+"+string(f.SQLName))
		}
	}
	return readRows(t, ctx, db, table.Fields, "SELECT "+strings.Join(exprs, ",\n")+" FROM "+string(table.SQLName)+" ORDER BY id")
}

func readRows(t *testing.T, ctx context.Context, db *testdb.DB, fields []*schema.Field, query string) []map[string]string {
	t.Helper()
	rows, err := db.DB.DB.QueryContext(ctx, query)
	require.NoError(t, err, query)
	defer func() { assert.NoError(t, rows.Close()) }()
	var out []map[string]string
	for rows.Next() {
		vals := make([]any, len(fields))
		ptrs := make([]any, len(fields))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		require.NoError(t, rows.Scan(ptrs...))
		columns := map[string]string{}
		for i, f := range fields {
			columns[f.Name] = canonical(t, db, f, vals[i])
		}
		out = append(out, columns)
	}
	require.NoError(t, rows.Err())
	return out
}

func canonical(t *testing.T, db *testdb.DB, f *schema.Field, v any) string {
	t.Helper()
	if db.Backend == testdb.Postgres {
		require.NotNil(t, v, "column %s", f.Name)
		out, ok := value.AppendJSON(nil, v.([]byte))
		require.True(t, ok)
		// jsonb is canonical but for its spaces.
		var compact strings.Builder
		require.NoError(t, compactTo(&compact, v.([]byte)))
		assert.Equal(t, compact.String(), string(out), "column %s", f.Name)
		return string(out)
	}
	raw, err := value.Encode(value.KindOf(f), v)
	require.NoError(t, err)
	return string(raw)
}

func exec(t *testing.T, db *testdb.DB, query string, args ...any) {
	t.Helper()
	_, err := db.DB.DB.ExecContext(t.Context(), query, args...)
	require.NoError(t, err, query)
}

func field[M any](t *testing.T, db *testdb.DB, column string) *schema.Field {
	t.Helper()
	f, err := db.Table(reflect.TypeFor[M]()).Field(column)
	require.NoError(t, err)
	return f
}

func postgresTables() *schema.Tables { return pgdialect.New().Tables() }
