package sqltext_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/internal/sqltext"
)

func TestValuesAreLiftedOutOfAStatement(t *testing.T) {
	for sql, want := range map[string]struct {
		text   string
		values []string
	}{
		`UPDATE "t" AS "c" SET "name" = 'O''Brien', "n" = 70, note = E'a\'b' WHERE ("c"."id" = 5) RETURNING id`: {
			`UPDATE "t" AS "c" SET "name" = $1, "n" = $2::integer, note = $3 WHERE ("c"."id" = $4::integer) RETURNING id`,
			[]string{"'O''Brien'", "70", `E'a\'b'`, "5"}},
		"UPDATE t SET n = -1, m = - 1, a = 2147483648, b = -2147483648, c = 99999999999999999999, d = .50 ;": {
			"UPDATE t SET n = $1::integer, m = - 1, a = $2::bigint, b = $3::integer, c = $4::numeric, d = $5::numeric",
			[]string{"-1", "2147483648", "-2147483648", "99999999999999999999", ".50"}},
		"UPDATE t SET n = n + 1, at = timestamptz '2026-01-02', b = X'1f', u = U&'x', f = 1e5, h = '1'::int, ok = TRUE, x = NULL": {
			text: "UPDATE t SET n = n + 1, at = timestamptz '2026-01-02', b = X'1f', u = U&'x', f = 1e5, h = '1'::int, ok = TRUE, x = NULL"},
		"UPDATE t SET (a, b) = ('x', 'y'), c = ('z') WHERE a = 'x' AND b= -3 or c =-4 or d = 'p' || 'q' or f(5) = 6 or g >= 7 or h = 'x'\n'y' or i = 'e'": {
			"UPDATE t SET (a, b) = ('x', 'y'), c = ('z') WHERE a = $1 AND b= $2::integer or c =-4 or d = 'p' || 'q' or f(5) = 6 or g >= 7 or h = 'x'\n'y' or i = $3",
			[]string{"'x'", "-3", "'e'"}},
		"INSERT INTO t (a, b, c, d) VALUES ('x', 1, DEFAULT, lower('Y')) ON CONFLICT (a) DO UPDATE SET b = 2, c = EXCLUDED.c WHERE t.a = 'z' RETURNING *": {
			"INSERT INTO t (a, b, c, d) VALUES ($1, $2::integer, DEFAULT, lower('Y')) ON CONFLICT (a) DO UPDATE SET b = $3::integer, c = EXCLUDED.c WHERE t.a = $4 RETURNING *",
			[]string{"'x'", "1", "2", "'z'"}},
		"INSERT INTO t (a) VALUES ('x'), ('y')":                              {text: "INSERT INTO t (a) VALUES ('x'), ('y')"},
		"INSERT INTO t SELECT 'x' WHERE 1 = 1":                               {text: "INSERT INTO t SELECT 'x' WHERE 1 = 1"},
		"DELETE FROM t WHERE id IN (SELECT id FROM u WHERE n = 1) AND m = 2": {"DELETE FROM t WHERE id IN (SELECT id FROM u WHERE n = $1::integer) AND m = $2::integer", []string{"1", "2"}},
		"DELETE FROM t": {text: "DELETE FROM t"},
	} {
		t.Run(sql, func(t *testing.T) {
			s, err := sqltext.Split(sqltext.PostgreSQL, sql)
			require.NoError(t, err)
			text, values, ok := s.Lift(sql)
			require.True(t, ok)
			assert.Equal(t, want.text, text)
			assert.Equal(t, want.values, values)
			_, err = sqltext.Split(sqltext.PostgreSQL, text)
			assert.NoError(t, err)
		})
	}
}

func TestADollarThatStaysIsNoParameterOfOurs(t *testing.T) {
	for sql, want := range map[string]bool{
		"UPDATE t SET a = $1":                     false,
		"UPDATE t SET a = 'x' || '$1'":            false,
		"UPDATE t SET a = $x$y$x$, b = 1":         false,
		"UPDATE t SET a = '$1' WHERE b = '$x$' ;": true,
	} {
		s, err := sqltext.Split(sqltext.PostgreSQL, sql)
		require.NoError(t, err)
		_, _, ok := s.Lift(sql)
		assert.Equal(t, want, ok, sql)
	}
}
