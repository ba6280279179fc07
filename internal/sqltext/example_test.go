package sqltext_test

import (
	"fmt"

	"github.com/sqlaudit/bun/internal/sqltext"
)

func ExampleGlance() {
	h := sqltext.Glance(sqltext.PostgreSQL, `UPDATE shop."orders" AS o SET total = 12 WHERE id = 7`)
	fmt.Println(h.Verb, h.Target, h.Certain)
	// Output: UPDATE shop.orders true
}

func ExampleTargets() {
	names, certain := sqltext.Targets(sqltext.PostgreSQL,
		`WITH gone AS (DELETE FROM orders RETURNING *) INSERT INTO archive SELECT * FROM gone; SELECT 1`)
	fmt.Println(names, certain)

	_, certain = sqltext.Targets(sqltext.PostgreSQL, `EXECUTE nightly`)
	fmt.Println(certain)
	// Output:
	// [orders archive] true
	// false
}

func ExampleSplit() {
	sql := `UPDATE orders AS o SET total = total + 1 WHERE o.id = 7 RETURNING *;`
	s, err := sqltext.Split(sqltext.PostgreSQL, sql)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Verb, s.Target, "as", s.Alias.In(sql))
	for _, a := range s.Assignments {
		fmt.Println(a.Columns, "becomes", a.Expr.In(sql))
	}
	fmt.Println("where", s.Where.In(sql))
	fmt.Println("returning", s.Returning.In(sql))

	_, err = sqltext.Split(sqltext.PostgreSQL, `DELETE FROM orders WHERE CURRENT OF c`)
	fmt.Println(err)
	// Output:
	// UPDATE orders as o
	// [total] becomes total + 1
	// where o.id = 7
	// returning *
	// sqltext: split statement: WHERE CURRENT OF at byte 25
}

func ExampleSplitList() {
	rows := `(1, 'a, b'), (2, 'c')`
	for _, row := range sqltext.SplitList(sqltext.SQLite, rows) {
		fmt.Println(row.In(rows))
	}
	// Output:
	// (1, 'a, b')
	// (2, 'c')
}

func ExampleNames() {
	names, err := sqltext.Names(sqltext.PostgreSQL, `ID, "Total"`)
	fmt.Println(names, err)
	// Output: [id Total] <nil>
}
