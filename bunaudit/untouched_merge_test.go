package bunaudit_test

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
)

// A MERGE before PostgreSQL 17 is refused.
func TestResultsOfAMergeAreThoseOfBun(t *testing.T) {
	if serverVersion(t, testdb.New(t, testdb.Postgres)) < 170000 {
		t.Skip("MERGE has no RETURNING clause")
	}
	const merge = `MERGE INTO bill_lines AS l USING (VALUES ('a', 1, 'one'), ('a', 2, ''), ('a', 3, 'three'), ('a', 9, 'nine')) AS v (bill, n, text)
		ON l.bill = v.bill AND l.n = v.n
		WHEN MATCHED AND v.text = '' THEN DELETE
		WHEN MATCHED AND v.n = 3 THEN DO NOTHING
		WHEN MATCHED THEN UPDATE SET text = v.text
		WHEN NOT MATCHED THEN INSERT (bill, n, text) VALUES (v.bill, v.n, v.text)`
	untouched(t, []statement{
		{"rows to merge with", "", func(ctx context.Context, db runner, s *seen) {
			s.inserted(db.NewInsert().Model(&[]Line{{Bill: "a", N: 1}, {Bill: "a", N: 2}, {Bill: "a", N: 3}}).Exec(ctx))
		}},
		{"merge by text", testdb.Postgres, func(ctx context.Context, db runner, s *seen) { s.inserted(db.NewRaw(merge).Exec(ctx)) }},
		{"merge that changes nothing more", testdb.Postgres, func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewRaw("MERGE INTO bill_lines AS l USING (SELECT 1) AS v ON l.n = 4711 WHEN MATCHED THEN DELETE").Exec(ctx))
		}},
		{"merge, returning", testdb.Postgres, func(ctx context.Context, db runner, s *seen) {
			var rows []map[string]any
			s.error(db.NewRaw(merge+" RETURNING merge_action() AS did, v.text AS wanted, l.*").Scan(ctx, &rows))
			s.add("%s", anyOrder(rows))
		}},
		{"merge, scanned", testdb.Postgres, func(ctx context.Context, db runner, s *seen) {
			var n int
			s.error(db.NewRaw("MERGE INTO bill_lines AS l USING (SELECT 9 AS n) AS v ON l.n = v.n WHEN MATCHED THEN UPDATE SET text = 'x' RETURNING l.n").Scan(ctx, &n))
			s.add("%d", n)
			s.error(db.NewRaw("MERGE INTO bill_lines AS l USING (SELECT 9 AS n) AS v ON l.n = v.n WHEN MATCHED THEN DELETE RETURNING l.n").Scan(ctx, &n))
			s.error(db.NewRaw("MERGE INTO bill_lines AS l USING (SELECT 9 AS n) AS v ON l.n = v.n WHEN MATCHED THEN DELETE RETURNING l.n").Scan(ctx, &n))
		}},
		{"merge that fails", testdb.Postgres, func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewRaw("MERGE INTO bill_lines AS l USING (VALUES (1), (1)) AS v (n) ON l.n = v.n WHEN MATCHED THEN UPDATE SET text = 'x'").Exec(ctx))
		}},
		{"merge by the builder", testdb.Postgres, func(ctx context.Context, db runner, s *seen) {
			lines := []*Line{{Bill: "a", N: 1, Text: "built"}, {Bill: "b", N: 1, Text: "built"}}
			merge := func() *bun.MergeQuery {
				return db.NewMerge().Model((*Line)(nil)).With("_data", db.NewValues(&lines)).Using("_data").On("line.bill = _data.bill AND line.n = _data.n").
					WhenUpdate("MATCHED", func(q *bun.UpdateQuery) *bun.UpdateQuery { return q.Set("text = _data.text") }).
					WhenInsert("NOT MATCHED", func(q *bun.InsertQuery) *bun.InsertQuery {
						return q.Value("bill", "_data.bill").Value("n", "_data.n").Value("text", "_data.text")
					})
			}
			s.result(merge().Exec(ctx))
			var got []Line
			s.result(merge().Returning("?TableName.*").Exec(ctx, &got))
			s.add("%s", anyOrder(got))
		}},
		{"merge by the builder that deletes", testdb.Postgres, func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewMerge().Model((*Line)(nil)).Using("(SELECT 'b' AS bill) AS v").On("line.bill = v.bill").WhenDelete("MATCHED").Exec(ctx))
		}},
	}, (*Line)(nil))
}
