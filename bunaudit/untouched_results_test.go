package bunaudit_test

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
)

func ptr[T any](v T) *T { return &v }

func TestResultsAreThoseOfBun(t *testing.T) {
	t.Parallel()
	untouched(t, []statement{
		{"insert a struct with defaults", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{SKU: "a", Size: Size{1, 2.5}, Labels: map[string]string{"k": "v"}}
			s.inserted(db.NewInsert().Model(p).Exec(ctx))
			s.products(p)
		}},
		{"insert with a key of its own", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{ID: 100, SKU: "own", Name: "named"}
			s.inserted(db.NewInsert().Model(p).Exec(ctx))
			s.products(p)
		}},
		{"insert a slice of structs", "", func(ctx context.Context, db runner, s *seen) {
			ps := []Product{{SKU: "s1"}, {SKU: "s2", Name: "two", Price: ptr(int64(5))}}
			s.inserted(db.NewInsert().Model(&ps).Exec(ctx))
			s.products(&ps[0], &ps[1])
		}},
		{"insert a slice of pointers", "", func(ctx context.Context, db runner, s *seen) {
			ps := []*Product{{SKU: "p1", Maker: ptr("m")}, {SKU: "p2"}}
			s.inserted(db.NewInsert().Model(&ps).Exec(ctx))
			s.products(ps...)
		}},
		{"insert returning nothing", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{ID: 200, SKU: "null", Name: "n"}
			s.inserted(db.NewInsert().Model(p).Returning("NULL").Exec(ctx))
			s.products(p)
		}},
		{"insert returning all", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{SKU: "all"}
			s.inserted(db.NewInsert().Model(p).Returning("*").Exec(ctx))
			s.products(p)
		}},
		{"insert with a value of its own", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{SKU: "val"}
			s.inserted(db.NewInsert().Model(p).Value("price", "? + 1", 41).Returning("price").Exec(ctx))
			s.products(p)
		}},
		{"insert a map", "", func(ctx context.Context, db runner, s *seen) {
			m := map[string]any{"Stock Unit": "map", "order": 3, "size_width": 1, "size_height": 1}
			s.inserted(db.NewInsert().Model(&m).TableExpr("products").Exec(ctx))
		}},
		{"insert into a destination", "", func(ctx context.Context, db runner, s *seen) {
			var id int64
			var name string
			s.inserted(db.NewInsert().Model(&Product{SKU: "dest"}).Returning("id, name").Exec(ctx, &id, &name))
			s.add("%d %s", id, name)
		}},
		{"insert, scanned", "", func(ctx context.Context, db runner, s *seen) {
			var sku string
			s.error(db.NewInsert().Model(&Product{SKU: "scan"}).Returning("?", bun.Ident("Stock Unit")).Scan(ctx, &sku))
			s.add("%s", sku)
		}},
		{"insert from a select", "", func(ctx context.Context, db runner, s *seen) {
			s.inserted(db.NewRaw(`INSERT INTO bill_lines (bill, n, text) SELECT 'b', id, name FROM products WHERE id < 4`).Exec(ctx))
		}},
		{"insert that conflicts and does nothing", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			p := &Product{SKU: "a", Name: "again"}
			s.inserted(db.NewInsert().Model(p).On("CONFLICT DO NOTHING").Exec(ctx))
			s.products(p)
		}},
		{"insert that is ignored", "", func(ctx context.Context, db runner, s *seen) {
			ls := []Line{{Bill: "b", N: 1, Text: "again"}, {Bill: "b", N: 9, Text: "new"}}
			s.inserted(db.NewInsert().Model(&ls).Ignore().Exec(ctx))
		}},
		{"insert that conflicts, scanned", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			var id int64
			s.error(db.NewInsert().Model(&Product{SKU: "a"}).On("CONFLICT DO NOTHING").Returning("id").Scan(ctx, &id))
		}},
		{"insert that updates what it finds", testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			p := &Product{SKU: "a", Name: "again"}
			s.inserted(db.NewInsert().Model(p).On("DUPLICATE KEY UPDATE").Set("name = VALUES(name)").Exec(ctx))
			s.products(p)
			p = &Product{ID: 1, SKU: "other", Name: "by key"}
			s.inserted(db.NewInsert().Model(p).On("DUPLICATE KEY UPDATE").Returning("NULL").Exec(ctx))
			s.products(p)
			s.insertedBy(ctx, db,
				"INSERT INTO products (`Stock Unit`, name, size_width, size_height, `order`) VALUES ('new1', 'n', 0, 0, 0), ('other', 'x', 0, 0, 0), ('new2', 'n', 0, 0, 0) ON DUPLICATE KEY UPDATE name = VALUES(name)",
				"INSERT INTO products SET `Stock Unit` = 'other', size_width = 0, size_height = 0, `order` = 0 ON DUPLICATE KEY UPDATE name = name",
				"INSERT INTO products SET `Stock Unit` = 'other', size_width = 0, size_height = 0, `order` = 0 ON DUPLICATE KEY UPDATE `order` = 7",
				"INSERT INTO products SET `Stock Unit` = 'other', size_width = 0, size_height = 0, `order` = 0 ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)",
				"INSERT INTO products SET `Stock Unit` = 'other', size_width = 0, size_height = 0, `order` = 0 ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(products.id), name = 'z'",
				"INSERT INTO bill_lines VALUES ('b', 1, 'upserted'), ('b', 2, 'upserted'), ('b', 1, 'upserted'), ('b', 50, 'upserted') ON DUPLICATE KEY UPDATE text = VALUES(text)",
				"INSERT INTO bill_lines VALUES ('b', 1, 'upserted') ON DUPLICATE KEY UPDATE text = VALUES(text)",
			)
		}},
		{"other inserts", testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			s.insertedBy(ctx, db,
				"INSERT INTO products SET id = 300, `Stock Unit` = 'set', size_width = 0, size_height = 0, `order` = 0",
				"INSERT IGNORE products (`Stock Unit`, size_width, size_height, `order`) VALUES ('set', 0, 0, 0), ('set2', 0, 0, 0)",
				"INSERT LOW_PRIORITY INTO products (id, `Stock Unit`, size_width, size_height, `order`) VALUES (310, 's310', 0, 0, 0), (305, 's305', 0, 0, 0)",
				"INSERT INTO bill_lines SET bill = 'last', n = LAST_INSERT_ID() * 0, text = ''",
				"INSERT INTO bill_lines VALUE ('b', 60, 'x')",
				"INSERT INTO bill_lines SELECT bill, n + 1000, text FROM bill_lines WHERE n < 3",
				"INSERT INTO bill_lines (bill, n, text) VALUES ('c', 1, 'x') RETURNING n",
				"DELETE FROM bill_lines WHERE n >= 1000 ORDER BY n DESC LIMIT 1",
				"UPDATE bill_lines SET text = 'limited' WHERE n >= 50 ORDER BY n DESC LIMIT 2",
				"UPDATE LOW_PRIORITY bill_lines AS l SET l.text = 'low' WHERE l.n = 60",
				"UPDATE bill_lines JOIN products ON products.id = bill_lines.n SET bill_lines.text = products.name WHERE bill_lines.bill = 'b'",
				"UPDATE bill_lines AS l, (SELECT 60 AS k) AS s SET text = 'joined' WHERE l.n = s.k",
				"UPDATE IGNORE products SET `Stock Unit` = 'a' WHERE id > 2",
			)
		}},
		{"replace", testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			// A number that the database makes up is another one where a row is in the way.
			for _, p := range []*Product{{SKU: "r0", Name: "new"}, {ID: 7, SKU: "r0", Name: "replaced"}} {
				s.inserted(db.NewInsert().Model(p).Replace().Exec(ctx))
				s.products(p)
			}
			s.inserted(db.NewInsert().Model(&Line{Bill: "b", N: 1, Text: "replaced"}).Replace().Exec(ctx))
			s.insertedBy(ctx, db,
				"REPLACE bill_lines VALUES ('b', 1, 'replaced')",
				"REPLACE INTO bill_lines VALUES ('b', 1, 'x'), ('b', 2, 'two'), ('b', 1, 'x'), ('b', 1, 'y'), ('b', 51, 'new')",
				"REPLACE INTO bill_lines SET bill = 'b', n = 51, text = 'new'",
				"REPLACE INTO bill_lines SELECT bill, n, 'two' FROM bill_lines WHERE bill = 'b'",
				"REPLACE INTO bill_lines VALUES ('b', 51, 'back') RETURNING n",
				"REPLACE INTO products (`Stock Unit`, size_width, size_height, `order`) VALUES ('r2', 0, 0, 0), ('r1', 0, 0, 0)",
				"REPLACE INTO products (id, `Stock Unit`, size_width, size_height, `order`) VALUES (1, 'r1', 0, 0, 0)",
				"REPLACE INTO products (id, `Stock Unit`, name, size_width, size_height, `order`) VALUES (1, 'r1', 'n', 0, 0, 0)",
				"REPLACE INTO products (id, `Stock Unit`, size_width, size_height, `order`) SELECT 1, 'a', 0, 0, 0 UNION SELECT 2, 'b', 0, 0, 0",
				"REPLACE INTO bill_lines SET bill = 'last', n = LAST_INSERT_ID() * 0, text = ''",
				"REPLACE INTO bill_lines VALUES ('b', 51)",
				"REPLACE INTO bill_lines SELECT nothing FROM products",
			)
			var ns []int
			s.error(db.NewRaw("REPLACE INTO bill_lines VALUES ('b', 1, 'again'), ('b', 53, 'again') RETURNING n").Scan(ctx, &ns))
			s.add("%s", anyOrder(ns))
		}},
		{"replace", testdb.SQLite, func(ctx context.Context, db runner, s *seen) {
			p := &Product{SKU: "a", Name: "replaced"}
			s.inserted(db.NewInsert().Model(p).Replace().Exec(ctx))
			s.products(p)
			s.inserted(db.NewInsert().Model(&Line{Bill: "b", N: 1, Text: "replaced"}).Replace().Exec(ctx))
			s.insertedBy(ctx, db,
				"REPLACE INTO bill_lines VALUES ('b', 1, 'x'), ('b', 2, 'two'), ('b', 1, 'x'), ('b', 1, 'y'), ('b', 51, 'new')",
				"INSERT OR REPLACE INTO bill_lines AS l SELECT bill, n, 'two' FROM bill_lines WHERE bill = 'b'",
				`REPLACE INTO products ("Stock Unit", size_width, size_height, "order") VALUES ('a', 0, 0, 0), ('r1', 0, 0, 0)`,
				`INSERT OR REPLACE INTO products (id, "Stock Unit", size_width, size_height, "order") VALUES (1, 'r1', 0, 0, 0)`,
				"INSERT OR IGNORE INTO bill_lines VALUES ('b', 51, 'ignored'), ('b', 54, 'new')",
				"INSERT OR ABORT INTO bill_lines VALUES ('b', 52, 'new'), ('b', 51, 'taken')",
				"UPDATE OR IGNORE products SET \"Stock Unit\" = 'r1'",
				"REPLACE INTO bill_lines VALUES ('b', 51)",
				"REPLACE INTO bill_lines SELECT nothing FROM products",
			)
			var ls []Line
			s.error(db.NewRaw("REPLACE INTO bill_lines VALUES ('b', 1, 'again'), ('b', 53, 'again') RETURNING *").Scan(ctx, &ls))
			s.add("%s", anyOrder(ls))
		}},
		{"update by key", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{ID: 1, SKU: "a", Name: "one", Price: ptr(int64(3))}
			s.result(db.NewUpdate().Model(p).WherePK().Exec(ctx))
			s.products(p)
		}},
		{"update by key, omitting zeros", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{ID: 1, Maker: ptr("maker")}
			s.result(db.NewUpdate().Model(p).OmitZero().WherePK().Returning("*").Exec(ctx))
			s.products(p)
		}},
		{"update columns", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{ID: 2, Order: 4, Name: "ignored"}
			s.result(db.NewUpdate().Model(p).Column("order").WherePK().Exec(ctx))
			s.products(p)
		}},
		{"update nothing", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("name = 'x'").Where("id = -1").Exec(ctx))
		}},
		{"update by an expression, into a slice", "", func(ctx context.Context, db runner, s *seen) {
			var ps []*Product
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("price = COALESCE(price, 0) + 1").Where("id < 4").Returning("*").Exec(ctx, &ps))
			s.products(ps...)
		}},
		{"update into a map", "", func(ctx context.Context, db runner, s *seen) {
			m := map[string]any{}
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("price = 8").Where("id = 1").Returning("id, name, price, labels, size_height").Exec(ctx, &m))
			s.add("%#v", m)
		}},
		{"update into a slice of maps", "", func(ctx context.Context, db runner, s *seen) {
			var ms []map[string]any
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("price = 9").Where("id < 3").Returning("id, p.price").Exec(ctx, &ms))
			s.add("%s", anyOrder(ms))
		}},
		{"update into slices of columns", "", func(ctx context.Context, db runner, s *seen) {
			var ids []int64
			var names []string
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("price = 10").Where("id < 3").Returning("id, name").Exec(ctx, &ids, &names))
			s.add("%s %s", anyOrder(ids), anyOrder(names))
		}},
		{"update of no row, scanned", "", func(ctx context.Context, db runner, s *seen) {
			var id int64
			s.error(db.NewUpdate().Model((*Product)(nil)).Set("price = 1").Where("id = -1").Returning("id").Scan(ctx, &id))
		}},
		{"update of no row into a slice, scanned", "", func(ctx context.Context, db runner, s *seen) {
			var ids []int64
			s.error(db.NewUpdate().Model((*Product)(nil)).Set("price = 1").Where("id = -1").Returning("id").Scan(ctx, &ids))
		}},
		{"update into a destination of the wrong type", "", func(ctx context.Context, db runner, s *seen) {
			var id int64
			s.error(db.NewUpdate().Model((*Line)(nil)).Set("text = 'w'").Where("n = 1").Returning("text").Scan(ctx, &id))
		}},
		{"update from a table expression", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Product)(nil)).TableExpr("(SELECT 1 AS k, 'from' AS v) AS src").
				Set("maker = src.v").Where("p.id = src.k").Exec(ctx))
		}},
		{"update with a CTE, returning", "", func(ctx context.Context, db runner, s *seen) {
			var makers []string
			s.result(db.NewUpdate().With("src", db.NewSelect().ColumnExpr("2 AS k, 'cte' AS v")).
				Model((*Product)(nil)).TableExpr("src").Set("maker = src.v").Where("p.id = src.k").Returning("maker").Exec(ctx, &makers))
			s.add("%v", makers)
		}},
		{"update in bulk", "", func(ctx context.Context, db runner, s *seen) {
			ls := []*Line{{Bill: "b", N: 1, Text: "bulk 1"}, {Bill: "b", N: 2, Text: "bulk 2"}, {Bill: "b", N: 77, Text: "not there"}}
			s.result(db.NewUpdate().Model(&ls).Bulk().Exec(ctx))
		}},
		{"update of a composite key", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model(&Line{Bill: "b", N: 3, Text: "three"}).WherePK().Exec(ctx))
		}},
		{"change of a key", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Line)(nil)).Set("n = 30").Where("n = 3").Exec(ctx))
		}},
		{"delete softly by key", "", func(ctx context.Context, db runner, s *seen) {
			p := &Product{ID: 1}
			s.result(db.NewDelete().Model(p).WherePK().Exec(ctx))
			s.products(p)
		}},
		{"delete softly, by a slice of keys, returning", "", func(ctx context.Context, db runner, s *seen) {
			var ids []int64
			ps := []*Product{{ID: 2}, {ID: 3}}
			s.result(db.NewDelete().Model(&ps).WherePK().Returning("id").Exec(ctx, &ids))
			s.add("%s", anyOrder(ids))
		}},
		{"delete softly what is deleted", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewDelete().Model(&Product{ID: 1}).WherePK().Exec(ctx))
		}},
		{"update what is deleted", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("price = 77").Where("id < 4").WhereDeleted().Exec(ctx))
		}},
		{"restore", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("deleted_at = NULL").Where("id = 1").WhereAllWithDeleted().Exec(ctx))
		}},
		{"delete for good", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewDelete().Model((*Product)(nil)).Where("id = 2").WhereDeleted().ForceDelete().Exec(ctx))
		}},
		{"delete composite keys by a slice", "", func(ctx context.Context, db runner, s *seen) {
			ls := []Line{{Bill: "b", N: 1}, {Bill: "b", N: 30}}
			s.result(db.NewDelete().Model(&ls).WherePK().Exec(ctx))
		}},
		{"delete using another table", testdb.Postgres, func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewDelete().Model((*Line)(nil)).TableExpr("products AS p").Where("p.id = line.n").Exec(ctx))
		}},
		{"delete nothing, scanned", "", func(ctx context.Context, db runner, s *seen) {
			var n int
			s.error(db.NewDelete().Model((*Line)(nil)).Where("n = -1").Returning("n").Scan(ctx, &n))
		}},
		{"delete by a condition that can't hold", "", func(ctx context.Context, db runner, s *seen) {
			nothing := func() *bun.DeleteQuery { return db.NewDelete().Model((*Line)(nil)).Where("n IN (?)", bun.In([]int{})) }
			s.result(nothing().Exec(ctx))
			s.result(nothing().Returning("n").Exec(ctx))
			var ns []int
			s.error(nothing().Returning("n").Scan(ctx, &ns))
			var n int
			s.error(nothing().Returning("n").Scan(ctx, &n))
			s.result(db.NewRaw("DELETE FROM bill_lines WHERE 1 = 0").Exec(ctx))
		}},
		{"delete with OR, returning all", "", func(ctx context.Context, db runner, s *seen) {
			var ls []Line
			s.result(db.NewDelete().Model(&ls).Where("n = 9").WhereOr("n = 77").Returning("*").Exec(ctx))
			s.add("%s", anyOrder(ls))
		}},
		{"without RETURNING, scanned", "", func(ctx context.Context, db runner, s *seen) {
			for _, text := range []string{
				"INSERT INTO bill_lines (bill, n, text) VALUES ('scan', 1, 'x'), ('scan', 2, 'x')",
				"UPDATE bill_lines SET text = 'scanned' WHERE bill = 'scan'", "DELETE FROM bill_lines WHERE bill = 'scan'",
			} {
				var ls []Line
				s.error(db.NewRaw(text).Scan(ctx, &ls))
				s.add("%v", ls)
			}
		}},
		{"raw insert, update and delete", "", func(ctx context.Context, db runner, s *seen) {
			s.inserted(db.NewRaw("INSERT INTO bill_lines (bill, n, text) VALUES ('raw', ?, 'x')", 1).Exec(ctx))
			s.result(db.NewRaw("UPDATE bill_lines SET text = 'y' WHERE bill = ?;", "raw").Exec(ctx))
			var l Line
			s.error(db.NewRaw("DELETE FROM bill_lines WHERE bill = 'raw' RETURNING *").Scan(ctx, &l))
			s.add("%v", l)
			s.error(db.NewRaw("DELETE FROM bill_lines WHERE bill = 'raw' RETURNING *").Scan(ctx, &l))
		}},
		{"upsert that finds", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			p := &Product{SKU: "own", Name: "again", Maker: ptr("m")}
			s.result(db.NewInsert().Model(p).On(`CONFLICT ("Stock Unit") DO UPDATE`).Set("name = EXCLUDED.name").Returning("id, name").Exec(ctx))
			s.add("%d %s", p.ID, p.Name)
		}},
		{"upsert that inserts under a key of its own", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			s.inserted(db.NewInsert().Model(&Line{Bill: "up", N: 1, Text: "a"}).On("CONFLICT (bill, n) DO UPDATE").Set("text = EXCLUDED.text").Exec(ctx))
		}},
		{"upsert of a slice, returning", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			ls := []Line{{Bill: "up", N: 1, Text: "b"}, {Bill: "up", N: 2, Text: "c"}}
			s.result(db.NewInsert().Model(&ls).On("CONFLICT (bill, n) DO UPDATE").Set("text = EXCLUDED.text || '!'").Returning("text").Exec(ctx))
			s.add("%v", ls)
		}},
		{"upsert whose condition does not hold", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewInsert().Model(&Line{Bill: "up", N: 1, Text: "x"}).On("CONFLICT (bill, n) DO UPDATE").
				Set("text = EXCLUDED.text").Where("line.n > 100").Exec(ctx))
			var n int
			s.error(db.NewInsert().Model(&Line{Bill: "up", N: 1, Text: "x"}).On("CONFLICT (bill, n) DO UPDATE").
				Set("text = EXCLUDED.text").Where("line.n > 100").Returning("n").Scan(ctx, &n))
		}},
		{"upsert by text", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			var texts []string
			s.error(db.NewRaw(`INSERT INTO bill_lines AS l (bill, n, text) VALUES ('up', 1, 'raw'), ('up', 3, 'raw')
				ON CONFLICT (bill, n) DO UPDATE SET text = l.text || EXCLUDED.text RETURNING text`).Scan(ctx, &texts))
			s.add("%s", anyOrder(texts))
		}},
		{"change of many keys", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Line)(nil)).Set("n = n + 100").Where("bill = 'up'").Exec(ctx))
			var ns []int
			s.result(db.NewUpdate().Model((*Line)(nil)).Set("(bill, n) = (bill, n - 100)").Where("bill = 'up'").Returning("n").Exec(ctx, &ns))
			s.add("%s", anyOrder(ns))
		}},
		{"update of a map", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model(&map[string]any{"text": "map"}).Table("bill_lines").Where("bill = 'up' AND n = 1").Exec(ctx))
		}},
		{"update with grouped conditions", "", func(ctx context.Context, db runner, s *seen) {
			group := func(q *bun.UpdateQuery) *bun.UpdateQuery { return q.Where("n = 1").WhereOr("n = 2") }
			s.result(db.NewUpdate().Model((*Line)(nil)).Set("text = text || '?'").Where("bill = 'up'").WhereGroup(" AND ", group).Exec(ctx))
		}},
		{"insert from a select, returning", "", func(ctx context.Context, db runner, s *seen) {
			var ls []Line
			s.error(db.NewRaw("INSERT INTO bill_lines (bill, n, text) SELECT 'copy', n, text FROM bill_lines WHERE bill = 'up' RETURNING *").Scan(ctx, &ls))
			s.add("%s", anyOrder(ls))
		}},
		{"truncate", "!" + testdb.MariaDB, func(ctx context.Context, db runner, s *seen) {
			res, err := db.NewTruncateTable().Model((*Line)(nil)).Exec(ctx)
			s.error(err)
			n, err := res.RowsAffected()
			s.add("affected %d %v", n, err)
		}},
		{"a comment from the context", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Product)(nil)).Comment("route=/a; DELETE").Set("price = 5").Where("id = 1").Exec(ctx))
		}},
		{"a builder with an error of its own", "", func(ctx context.Context, db runner, s *seen) {
			s.result(db.NewUpdate().Model((*Product)(nil)).Set("price = 5").Exec(ctx))
			s.inserted(db.NewInsert().Exec(ctx))
			s.result(db.NewDelete().Model((*Line)(nil)).WherePK().Exec(ctx))
		}},
	}, (*Product)(nil), (*Line)(nil))
}
