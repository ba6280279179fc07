package value_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/value"
)

// mariadbConn is a connection with a table of one column.
func mariadbConn(t *testing.T, db *testdb.DB, typ string) *sql.Conn {
	t.Helper()
	exec(t, db, "CREATE OR REPLACE TABLE `T x` (v "+typ+")")
	conn, err := db.DB.DB.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // nobody else gets its settings
		_ = conn.Close()
	})
	return conn
}

// mariadbJSON is the JSON of the only row of the table.
func mariadbJSON(t *testing.T, conn *sql.Conn, k value.Kind) string {
	t.Helper()
	types, err := value.LoadMySQLTypes(t.Context(), conn, "`T x`")
	require.NoError(t, err)
	var v any
	query := "SELECT " + string(value.AppendMySQLExpr(nil, types["v"], "`T x`.`v`")) + " FROM `T x`"
	require.NoError(t, conn.QueryRowContext(t.Context(), query).Scan(&v))
	raw, err := value.EncodeMySQL(types["v"], k, v)
	require.NoError(t, err)
	return string(raw)
}

func TestTypesOfMariaDB(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	for _, tt := range []struct {
		typ, literal string
		kind         value.Kind
		want         string
	}{
		{"tinyint", "-128", value.KindInt, `-128`},
		{"boolean", "TRUE", value.KindBool, `true`},
		{"boolean", "FALSE", value.KindBool, `false`},
		{"boolean", "2", value.KindBool, `2`},
		{"boolean", "TRUE", value.KindInt, `1`},
		{"bigint unsigned", "18446744073709551615", value.KindInt, `18446744073709551615`},
		{"int(8) unsigned zerofill", "42", value.KindInt, `42`},
		{"int", "7", value.KindText, `7`},
		{"bit(1)", "1", value.KindBool, `true`},
		{"bit(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", value.KindInt, `18446744073709551615`},
		{"year", "2026", value.KindInt, `2026`},
		{"decimal(30,2)", "12.5", value.KindNumeric, `12.50`},
		{"decimal(10,3) zerofill", "1.5", value.KindFloat, `1.500`},
		{"decimal(65,30)", "-12345678901234567890123456789012345.123456789012345678901234567890", value.KindText,
			`-12345678901234567890123456789012345.123456789012345678901234567890`},
		{"float", "16777215", value.KindFloat, `16777215`},
		{"float", "0.1", value.KindFloat, `0.1`},
		{"float", "1e-7", value.KindFloat, `0.0000001`},
		{"double", "0.1", value.KindFloat, `0.1`},
		{"double", "-0.0", value.KindFloat, `0`},
		{"varchar(20)", "'<a> é \\\\ \\'\"'", value.KindText, `"<a> é \\ '\""`},
		{"varchar(20) character set latin1", "'é'", value.KindText, `"é"`},
		{"char(5)", "'ab '", value.KindText, `"ab"`},
		{"varchar(20) collate utf8mb4_bin", "'猫👩'", value.KindText, `"猫👩"`},
		{"varchar(20)", "'a\\0b'", value.KindText, `{"base64":"YQBi"}`},
		{"text", "'1.10'", value.KindNumeric, `"1.10"`},
		{"enum('new','it''s')", "'it''s'", value.KindText, `"it's"`},
		{"set('a','b','c')", "'c,a'", value.KindText, `"a,c"`},
		{"json", `'{"b":1.50,"a":[1e2]}'`, value.KindJSON, `{"a":[100],"b":1.50}`},
		{"json", `'{"b": 1}'`, value.KindText, `"{\"b\": 1}"`},
		{"longtext", `'no json'`, value.KindJSON, `"no json"`},
		{"varchar(36)", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", value.KindText, `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`},
		{"uuid", "'6BA7B810-9DAD-11D1-80B4-00C04FD430C8'", value.KindText, `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`},
		{"inet6", "'::1'", value.KindText, `"::1"`},
		{"varbinary(8)", "X'00ff'", value.KindBytes, `"AP8="`},
		{"varbinary(8)", "'text'", value.KindText, `"dGV4dA=="`},
		{"binary(3)", "'a'", value.KindBytes, `"YQAA"`},
		{"longblob", "''", value.KindBytes, `""`},
		{"date", "'2026-01-02'", value.KindDate, `"2026-01-02"`},
		{"date", "'2026-01-02'", value.KindTimestampTZ, `"2026-01-02"`},
		{"time(3)", "'-838:59:58.999'", value.KindText, `"-838:59:58.999"`},
		{"datetime(6)", "'2026-01-02 03:04:05.000006'", value.KindTimestampTZ, `"2026-01-02T03:04:05.000006Z"`},
		{"datetime", "'2026-01-02 03:04:05'", value.KindTimestamp, `"2026-01-02T03:04:05.000000"`},
		{"datetime", "'2026-01-02 03:04:05'", value.KindText, `"2026-01-02T03:04:05.000000"`},
		{"datetime", "'0001-01-01 00:00:00'", value.KindTimestampTZ, `"0001-01-01T00:00:00.000000Z"`},
		{"timestamp(6)", "FROM_UNIXTIME(1767323045.000006)", value.KindTimestampTZ, `"2026-01-02T03:04:05.000006Z"`},
		{"timestamp", "FROM_UNIXTIME(1767323045)", value.KindTimestamp, `"2026-01-02T03:04:05.000000Z"`},
		{"point", "ST_GeomFromText('POINT(1 2.5)', 4326)", value.KindText, `"SRID=4326;POINT(1 2.5)"`},
		{"int", "NULL", value.KindInt, `null`},
		{"json", "NULL", value.KindJSON, `null`},
		{"json", "'null'", value.KindJSON, `null`},
	} {
		t.Run(tt.typ+" "+tt.literal, func(t *testing.T) {
			conn := mariadbConn(t, db, tt.typ)
			_, err := conn.ExecContext(t.Context(), "INSERT INTO `T x` VALUES ("+tt.literal+")")
			require.NoError(t, err)
			assert.Equal(t, tt.want, mariadbJSON(t, conn, tt.kind))
			for _, setting := range []string{
				"SET time_zone = '-07:00'", "SET NAMES latin1", "SET div_precision_increment = 0", "SET sql_mode = 'ANSI'", "SET lc_time_names = 'de_DE'",
			} {
				_, err := conn.ExecContext(t.Context(), setting)
				require.NoError(t, err)
				assert.Equal(t, tt.want, mariadbJSON(t, conn, tt.kind), setting)
			}
		})
	}
}

// Dates that only a server that isn't strict stores are recorded as it prints
// them.
func TestDatesThatAreNoneOnMariaDB(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	for typ, want := range map[string]string{
		"datetime": `"0000-00-00 00:00:00"`, "timestamp": `"0000-00-00 00:00:00"`, "date": `"0000-00-00"`,
	} {
		conn := mariadbConn(t, db, typ)
		exec := func(query string) {
			_, err := conn.ExecContext(t.Context(), query)
			require.NoError(t, err)
		}
		exec("SET sql_mode = ''")
		exec("INSERT INTO `T x` VALUES (0)")
		assert.Equal(t, want, mariadbJSON(t, conn, value.KindTimestampTZ), typ)
	}
}

// A float's JSON is read back as the same float.
func TestFloatsOfMariaDBAreExact(t *testing.T) {
	db := testdb.New(t, testdb.MariaDB)
	r := rand.New(rand.NewPCG(5, 6))
	single, double := mariadbConn(t, db, "float"), (*sql.Conn)(nil)
	store := func(ctx context.Context, conn *sql.Conn, text string) {
		_, err := conn.ExecContext(ctx, "REPLACE INTO `T x` VALUES ("+text+")")
		require.NoError(t, err)
	}
	for range 300 {
		f := math.Float32frombits(r.Uint32())
		if f != f || math.IsInf(float64(f), 0) || f != 0 && math.Abs(float64(f)) < math.SmallestNonzeroFloat32*(1<<23) {
			continue // what the server stores as 0
		}
		_, err := single.ExecContext(t.Context(), "DELETE FROM `T x`")
		require.NoError(t, err)
		store(t.Context(), single, fmt.Sprintf("%e", float64(f)))
		got, err := strconv.ParseFloat(mariadbJSON(t, single, value.KindFloat), 32)
		require.NoError(t, err)
		var stored float64
		require.NoError(t, single.QueryRowContext(t.Context(), "SELECT CAST(v AS DOUBLE) FROM `T x`").Scan(&stored))
		require.Equal(t, float32(stored), float32(got))
	}
	double = mariadbConn(t, db, "double")
	for range 300 {
		f := math.Float64frombits(r.Uint64())
		if f != f || math.IsInf(f, 0) || math.Abs(f) < 1e-300 {
			continue
		}
		_, err := double.ExecContext(t.Context(), "DELETE FROM `T x`")
		require.NoError(t, err)
		store(t.Context(), double, strconv.FormatFloat(f, 'e', -1, 64))
		got, err := strconv.ParseFloat(mariadbJSON(t, double, value.KindFloat), 64)
		require.NoError(t, err)
		require.Equal(t, f, got)
	}
}
