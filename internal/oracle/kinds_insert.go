package oracle

import (
	"strings"

	"github.com/uptrace/bun"
)

func insertKinds() []statementKind {
	return []statementKind{
		{name: "insert", weight: 8, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.row(g.r))
		}},
		{name: "insert, returning", weight: 2, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.row(g.r)).Returning("*")
		}},
		{name: "insert slice", weight: 6, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4)))
		}},
		{name: "insert values of expressions", weight: 2, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.row(g.r)).Value(bare(g.t.num), "length(?) + 1", text(g.r)).Returning("*")
		}},
		{name: "insert map", weight: 3, build: func(g *gen) statement {
			values := g.t.values(g.r)
			return g.db.NewInsert().Model(&values).TableExpr("?", bun.Ident(g.t.name))
		}},
		{name: "insert select", weight: 3, build: func(g *gen) statement {
			cols, sel := g.t.copy(g.r)
			where, args := g.where()
			return g.db.NewRaw("INSERT INTO "+g.name2()+" ("+cols+") SELECT "+sel+" FROM "+g.t.quoted()+" WHERE "+where+
				" LIMIT 3", args...)
		}},
		{name: "insert select, built", weight: 2, build: func(g *gen) statement {
			cols, sel := g.t.copy(g.r)
			where, args := g.where()
			if g.mariadb() { // has its common table expressions elsewhere
				return g.db.NewRaw("INSERT INTO "+g.name2()+" ("+cols+") WITH src AS (?) SELECT * FROM src",
					g.db.NewSelect().TableExpr(g.t.quoted()).ColumnExpr(sel).Where(where, args...).Limit(2))
			}
			return g.db.NewRaw("WITH src AS (?) INSERT INTO "+g.name2()+" ("+cols+") SELECT * FROM src",
				g.db.NewSelect().TableExpr(g.t.quoted()).ColumnExpr(sel).Where(where, args...).Limit(2))
		}},
		{name: "insert, do nothing", weight: 3, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.row(g.r)).Ignore()
		}},
		{name: "insert slice, do nothing", weight: 3, build: notOnMariaDB(func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(5))).On("CONFLICT DO NOTHING")
		})},
		{name: "insert slice, ignore", weight: 2, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(5))).Ignore()
		}},
		{name: "insert, do nothing on the key", weight: 2, build: notOnMariaDB(func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.row(g.r)).On("CONFLICT (" + g.t.conflict + ") DO NOTHING")
		})},
		{name: "insert default values", weight: 1, build: func(g *gen) statement {
			if g.mariadb() {
				return g.db.NewRaw("INSERT INTO " + g.name2() + " () VALUES ()")
			}
			return g.db.NewRaw("INSERT INTO " + g.name2() + " DEFAULT VALUES")
		}},
		{name: "replace", weight: 1, build: func(g *gen) statement {
			if g.pg() {
				return nil
			}
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(5))).Replace()
		}},
	}
}

// bare is a quoted name without its quotes.
func bare(name string) string { return strings.Trim(name, "\"`") }

// name2 is the table's name where ONLY has no place.
func (g *gen) name2() string {
	for {
		if name := g.name(); len(name) < 5 || name[:5] != "ONLY " {
			return name
		}
	}
}
