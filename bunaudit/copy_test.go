package bunaudit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
)

// pgdriver's COPY takes a connection from Bun and goes behind Bun's back, as
// docs/guarantees.md says: no hook hears of it. The record then says so itself.
func TestRowsThatWereCopiedInAreFoundByVerify(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
		require.NoError(t, raw("INSERT INTO stock (id, n) VALUES (1, 10)")(ctx, a))

		copyIn := func(table, rows string) {
			conn, err := a.Conn(ctx)
			require.NoError(t, err)
			defer conn.Close()
			res, err := pgdriver.CopyFrom(ctx, conn, strings.NewReader(rows), "COPY "+table+" (id, n) FROM STDIN")
			require.NoError(t, err)
			n, err := res.RowsAffected()
			require.NoError(t, err)
			require.EqualValues(t, strings.Count(rows, "\n"), n)
		}
		story := []string{`insert stock {"id":1}: n -> 10, sku -> null`}
		copyIn("stock", "2\t20\n3\t30\n")
		require.Equal(t, story, a.story(t))
		require.Equal(t, int64(1), a.hook.Stats().Tables["stock"].Captured)
		require.Equal(t, []string{`unknown {"id":2}`, `unknown {"id":3}`}, findings(t, a))

		// What Bun does to such a row is recorded as ever, and of its history that is all.
		require.NoError(t, raw("UPDATE stock SET n = n + 1 WHERE id = 2")(ctx, a))
		require.NoError(t, raw("DELETE FROM stock WHERE id = 3")(ctx, a))
		story = append(story, `update stock {"id":2}: n 20 -> 21`, `delete stock {"id":3}: n 30, sku null`)
		require.Equal(t, story, a.story(t))

		copyIn("stock", "4\t40\n")
		n, err := retrieval.For[Stock](a).Baseline(ctx, retrieval.BaselineOptions{})
		require.NoError(t, err)
		require.EqualValues(t, 2, n) // b, of which history knew a part, and d
		require.Empty(t, findings(t, a))
		story = append(story, `snapshot stock {"id":2}: n -> 21, sku -> null`, `snapshot stock {"id":4}: n -> 40, sku -> null`)
		require.Equal(t, story, a.story(t))

		// The way that is recorded.
		a.execute(t, "CREATE TABLE incoming (id bigint, n bigint)")
		copyIn("incoming", "5\t50\n6\t60\n")
		require.NoError(t, raw("INSERT INTO stock (id, n) SELECT id, n FROM incoming ORDER BY id")(ctx, a))
		story = append(story, `insert stock {"id":5}: n -> 50, sku -> null`, `insert stock {"id":6}: n -> 60, sku -> null`)
		require.Equal(t, story, a.story(t))
		require.Empty(t, findings(t, a))
	})
}

func findings(t *testing.T, a *audited) (found []string) {
	t.Helper()
	for f, err := range retrieval.For[Stock](a).Verify(t.Context(), retrieval.VerifyOptions{}) {
		require.NoError(t, err)
		found = append(found, strings.TrimSpace(f.String()))
	}
	return found
}
