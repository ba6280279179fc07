package sqltext

import (
	"strings"
	"testing"
)

var (
	updateText = `UPDATE "orders" AS "order" SET "status" = 'shipped', "total" = 1250, "updated_at" = '2024-01-01 00:00:00+00:00' WHERE ("order"."id" = 42)`
	insertText = `INSERT INTO "orders" ("id", "status", "total") VALUES (1, 'new', 10), (2, 'new', 20) ON CONFLICT ("id") DO UPDATE SET "status" = EXCLUDED."status" RETURNING "id"`
	deleteText = `DELETE FROM "orders" AS "order" WHERE ("order"."id" IN (1, 2, 3)) RETURNING *`
	selectText = `SELECT "order"."id", "order"."status" FROM "orders" AS "order" WHERE ("order"."id" = 42) LIMIT 1`
)

func BenchmarkGlance(b *testing.B) {
	for _, c := range []struct {
		name string
		d    Dialect
		sql  string
	}{
		{"update", PostgreSQL, updateText},
		{"update on MySQL", MySQL, strings.ReplaceAll(updateText, `"`, "`")},
		{"insert", PostgreSQL, insertText},
		{"delete", PostgreSQL, deleteText},
		{"select", PostgreSQL, selectText},
		{"insert of 100 kB", PostgreSQL, insertText + strings.Repeat("x", 100_000)},
		{"literal with semicolon", PostgreSQL, strings.Replace(updateText, "shipped", "a; b", 1)},
		{"with", PostgreSQL, `WITH _data ("id") AS (VALUES (1), (2)) UPDATE "orders" AS "order" SET "n" = 1 FROM _data WHERE ("order"."id" = _data."id")`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Glance(c.d, c.sql)
			}
		})
	}
}

func BenchmarkSplit(b *testing.B) {
	for _, c := range []struct{ name, sql string }{{"update", updateText}, {"insert", insertText}, {"delete", deleteText}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.sql)))
			for b.Loop() {
				if _, err := Split(PostgreSQL, c.sql); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
