package value_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

// exprOf returns the canonical JSON that PostgreSQL makes of one SQL value.
func exprOf(t *testing.T, conn *sql.Conn, column string) string {
	t.Helper()
	types, err := value.LoadPostgresTypes(t.Context(), conn, `"T x"`)
	require.NoError(t, err)
	require.Contains(t, types, column)
	var got string
	query := "SELECT " + string(value.AppendPostgresExpr(nil, types[column], `q."`+column+`"`)) + ` FROM "T x" AS q`
	require.NoError(t, conn.QueryRowContext(t.Context(), query).Scan(&got), query)
	var b strings.Builder
	require.NoError(t, compactTo(&b, []byte(got)))
	return b.String()
}

func TestPostgresTypes(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	exec(t, db, `CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"')`)
	exec(t, db, `CREATE TYPE pair AS (a int, b text)`)
	exec(t, db, `CREATE DOMAIN moment AS timestamptz`)
	exec(t, db, `CREATE DOMAIN later AS moment`)
	exec(t, db, `CREATE DOMAIN blobs AS bytea[]`)
	extension(t, db, "hstore")
	extension(t, db, "citext")
	conn, err := db.DB.DB.Conn(t.Context())
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	// None of these settings may show.
	for _, set := range []string{"TimeZone = 'Asia/Kolkata'", "DateStyle = 'German'", "bytea_output = 'escape'", "standard_conforming_strings = off"} {
		_, err := conn.ExecContext(t.Context(), "SET "+set)
		require.NoError(t, err)
	}
	long := strings.Repeat("QUFB", 30)
	for i, tt := range []struct{ typ, val, want string }{
		{"int", "NULL", "null"},
		{"bigint", "9223372036854775807", "9223372036854775807"},
		{"numeric", "123456789012345678901234567890.1200", "123456789012345678901234567890.1200"},
		{"numeric(6,2)", "1.5", "1.50"},
		{"numeric", "'NaN'", `"NaN"`},
		{"float8", "1e21", "1000000000000000000000"},
		{"float8", "'-0'", "0"},
		{"float8", "'-Infinity'", `"-Infinity"`},
		{"float4", "0.1", "0.1"},
		{"bool", "true", "true"},
		{"text", `E'a"\\\n<é>'`, `"a\"\\\n<é>"`},
		{"char(5)", "'ab'", `"ab   "`},
		{"varchar(5)", "'ab '", `"ab "`},
		{"citext", "'Ab'", `"Ab"`},
		{"mood", "'sad'", `"sad"`},
		{"mood[]", "ARRAY['sad', NULL]::mood[]", `["sad",null]`},
		{"uuid", "'6BA7B810-9DAD-11D1-80B4-00C04FD430C8'", `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`},
		{"inet", "'10.0.0.1/32'", `"10.0.0.1"`},
		{"cidr", "'10.0.0.0/8'", `"10.0.0.0/8"`},
		{"macaddr", "'08:00:2b:01:02:03'", `"08:00:2b:01:02:03"`},
		{"interval", "'1 year 2 days 3.5 seconds'", `"1 year 2 days 00:00:03.5"`},
		{"int4range", "'[1,3]'", `"[1,4)"`},
		{"daterange", "'empty'", `"empty"`},
		{"daterange", "'[2026-01-02,2026-01-05]'", `"[2026-01-02,2026-01-06)"`},
		{"daterange", "'[2026-01-02,)'", `"[2026-01-02,)"`},
		{"tstzrange", "'[2026-01-02 03:04:05.5+00,2026-01-03 00:00:00+00)'", `"[\"2026-01-02 03:04:05.5+00\",\"2026-01-03 00:00:00+00\")"`},
		{"tstzrange", "'(,infinity]'", `"(,infinity]"`},
		{"tstzrange", "'empty'", `"empty"`},
		{"tstzrange", "'[0044-03-15 00:00:00+00 BC,)'", `"[\"0044-03-15 00:00:00+00 BC\",)"`},
		{"tstzrange", "NULL", `null`},
		{"tsrange", "'[2026-01-02 03:04:05,2026-01-03]'", `"[\"2026-01-02 03:04:05\",\"2026-01-03 00:00:00\"]"`},
		{"tsrange", "'[0044-03-15 BC,)'", `"[\"0044-03-15 00:00:00 BC\",)"`},
		{"bit(3)", "B'101'", `"101"`},
		{"money", "1234.5", "1234.50"},
		{"money[]", "ARRAY[1::money, NULL]", "[1.00,null]"},
		{"xml", "'<a>b</a>'", `"<a>b</a>"`},
		{"json", `E'{"b": 1.50, "a": [1e2, "\\u00e9"]}'`, `{"a":[100,"é"],"b":1.50}`},
		{"json", `E'{"a": "\\u0000"}'`, `"{\"a\": \"\\u0000\"}"`},
		{"json", `E'{"a": "\\\\u0000"}'`, `{"a":"\\u0000"}`},
		{"json", "'null'", "null"},
		{"jsonb", `'{"b":1,"aa":2}'`, `{"b":1,"aa":2}`},
		{"jsonb[]", `ARRAY['{"a":1}'::jsonb, NULL]`, `[{"a":1},null]`},
		{"hstore", `'a=>1,b=>NULL'`, `{"a":"1","b":null}`},
		{"pair", "ROW(1, 'a b')::pair", `"(1,\"a b\")"`},
		{"pair", "ROW(NULL, NULL)::pair", `"(,)"`},
		{"pair", "NULL", "null"},
		{"pair[]", "ARRAY[ROW(1, 'x')::pair]", `["(1,x)"]`},
		{"bytea", "decode(repeat('414141', 30), 'hex')", `"` + long + `"`},
		{"bytea", "''", `""`},
		{"bytea[]", "ARRAY['\\x00ff'::bytea, NULL, '']", `["AP8=",null,""]`},
		{"blobs", "ARRAY[decode('00ff', 'hex')]", `["AP8="]`},
		{"date", "'2026-01-02'", `"2026-01-02"`},
		{"date", "'infinity'", `"infinity"`},
		{"date", "'0044-03-15 BC'", `"0044-03-15 BC"`},
		{"time", "'03:04:05.5'", `"03:04:05.5"`},
		{"timetz", "'03:04:05+02'", `"03:04:05+02"`},
		{"timestamp", "'2026-01-02 03:04:05.5'", `"2026-01-02T03:04:05.500000"`},
		{"timestamp", "'-infinity'", `"-infinity"`},
		{"timestamptz", "'2026-01-02 03:04:05.123456+02'", `"2026-01-02T01:04:05.123456Z"`},
		{"timestamptz", "'infinity'", `"infinity"`},
		{"timestamptz", "'0044-03-15 00:00:00+00 BC'", `"0044-03-15T00:00:00 BC"`},
		{"timestamptz", "NULL", "null"},
		{"later", "'2026-01-02 03:04:05+00'", `"2026-01-02T03:04:05.000000Z"`},
		{"timestamptz[]", "ARRAY['2026-01-02 03:04:05+00'::timestamptz, NULL, 'infinity']", `["2026-01-02T03:04:05.000000Z",null,"infinity"]`},
		{"timestamp[]", "'{}'", `[]`},
		{"timestamp[]", "NULL", `null`},
		{"int[]", "ARRAY[[1,2],[3,NULL]]", `[[1,2],[3,null]]`},
		{"text[]", "ARRAY['a\"', '', NULL, 'NULL']", `["a\"","",null,"NULL"]`},
		{"float8[]", "ARRAY['NaN'::float8, 1]", `["NaN",1]`},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.typ, tt.val), func(t *testing.T) {
			column := fmt.Sprintf("v%d", i)
			run := func(query string) {
				_, err := conn.ExecContext(t.Context(), query)
				require.NoError(t, err, query)
			}
			val := strings.ReplaceAll(tt.val, `'\x`, `E'\\x`)
			run(fmt.Sprintf(`CREATE TABLE "T x" (%q %s)`, column, tt.typ))
			defer run(`DROP TABLE "T x"`)
			run(fmt.Sprintf(`INSERT INTO "T x" VALUES (%s)`, val))
			assert.Equal(t, tt.want, exprOf(t, conn, column))
		})
	}
}

// Both capture ways put the expressions into RETURNING lists.
func TestPostgresExprWorksInReturning(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	exec(t, db, `CREATE TABLE ret (id int, ts timestamptz[], g int GENERATED ALWAYS AS (id * 2) STORED)`)
	types, err := value.LoadPostgresTypes(t.Context(), db.DB.DB, `"ret"`)
	require.NoError(t, err)
	assert.True(t, types["g"].Generated)
	assert.False(t, types["id"].Generated)
	assert.Equal(t, "timestamp with time zone[]", types["ts"].Name)
	var got string
	require.NoError(t, db.DB.DB.QueryRowContext(t.Context(), `INSERT INTO ret VALUES (1, '{2026-01-02 03:04:05+00}') RETURNING `+
		string(value.AppendPostgresExpr(nil, types["ts"], `ret."ts"`))).Scan(&got))
	assert.Equal(t, `["2026-01-02T03:04:05.000000Z"]`, got)
}

func TestLoadPostgresTypesOfAMissingTableLeavesTheTransactionUsable(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	tx, err := db.DB.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = value.LoadPostgresTypes(t.Context(), tx, `"it's \missing"`)
	require.ErrorContains(t, err, "there is no table")
	_, err = tx.ExecContext(t.Context(), "SELECT 1")
	require.NoError(t, err)
}
