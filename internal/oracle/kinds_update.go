package oracle

import (
	"strings"

	"github.com/uptrace/bun"
)

func updateKinds() []statementKind {
	return []statementKind{
		{name: "update by key", weight: 6, build: func(g *gen) statement {
			return g.db.NewUpdate().Model(g.t.row(g.r)).WherePK()
		}},
		{name: "update columns", weight: 6, build: func(g *gen) statement {
			return g.db.NewUpdate().Model(g.t.row(g.r)).Column(g.columns()...).WherePK()
		}},
		{name: "update but columns", weight: 2, build: func(g *gen) statement {
			return g.db.NewUpdate().Model(g.t.row(g.r)).ExcludeColumn(g.columns()...).WherePK()
		}},
		{name: "update, omit zero", weight: 4, build: func(g *gen) statement {
			return g.db.NewUpdate().Model(g.t.row(g.r)).OmitZero().WherePK()
		}},
		{name: "update by condition", weight: 10, build: func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(where, wargs...)
		}},
		{name: "update or, grouped", weight: 2, build: func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			or, oargs := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(where, wargs...).WhereOr(or, oargs...)
		}},
		{name: "update, in groups", weight: 2, build: func(g *gen) statement {
			set, args := g.set()
			group := func(q *bun.UpdateQuery) *bun.UpdateQuery {
				where, wargs := g.where()
				or, oargs := g.where()
				return q.Where(where, wargs...).WhereOr(or, oargs...)
			}
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).WhereGroup(" AND ", group).WhereGroup(" AND NOT ", group)
		}},
		{name: "update by another name", weight: 2, build: func(g *gen) statement {
			if g.t.soft != "" { // Bun goes on calling the table by the model's alias
				return nil
			}
			set, args := g.set()
			return g.db.NewUpdate().Model(g.model()).ModelTableExpr("? AS ?", bun.Ident(g.t.name), bun.Ident("x y")).Set(set, args...).
				Where(g.sql.quote("x y")+"."+g.t.num+" > ?", g.r.IntN(50))
		}},
		{name: "update by set column", weight: 2, build: func(g *gen) statement {
			if bare(g.t.num) == "order" || g.mariadb() && strings.Contains(g.t.alias, " ") { // which Bun does not quote here
				return nil
			}
			return g.db.NewUpdate().Model(g.t.row(g.r)).SetColumn(g.t.num, "? + 1", bun.Safe(g.t.num)).WherePK()
		}},
		{name: "update with deleted", weight: 2, build: func(g *gen) statement {
			if g.t.soft == "" {
				return nil
			}
			set, args := g.set()
			where, wargs := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(where, wargs...).WhereAllWithDeleted()
		}},
		{name: "update, returning", weight: 4, build: func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			return into{g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(where, wargs...).Returning("*"), g.t.slice(g.r, 0)}
		}},
		{name: "update bulk", weight: 5, build: notOnMariaDB(func(g *gen) statement {
			return g.db.NewUpdate().Model(g.t.slice(g.r, 1+g.r.IntN(4))).Column(g.columns()...).Bulk()
		})},
		{name: "update slice by key", weight: 3, build: func(g *gen) statement {
			set, args := g.set()
			return g.db.NewUpdate().Model(g.t.slice(g.r, 1+g.r.IntN(4))).Set(set, args...).WherePK()
		}},
		{name: "update from", weight: 4, build: func(g *gen) statement {
			o := g.other()
			return g.db.NewUpdate().Model(g.model()).TableExpr(o.quoted()+" AS o").
				Set(g.set1(g.t.num)+" = length(o."+o.text+")").Where("o."+o.num+" > ?", g.r.IntN(40)).
				Where("length(o."+o.text+") < length(?TableAlias."+g.t.text+") + ?", g.r.IntN(3))
		}},
		{name: "update from itself", weight: 3, build: func(g *gen) statement {
			return g.db.NewUpdate().Model(g.model()).TableExpr(g.t.quoted() + " AS o").
				Set(g.set1(g.t.text) + " = o." + g.t.text).Where("o." + g.t.key() + " > ?TableAlias." + g.t.key())
		}},
		{name: "update with a common table expression", weight: 4, build: notOnMariaDB(func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			key := g.t.key()
			return g.db.NewUpdate().With("picked", g.db.NewSelect().TableExpr(g.t.quoted()).ColumnExpr(key).Where(where, wargs...)).
				Model(g.model()).Set(set, args...).Where(key + " IN (SELECT " + key + " FROM picked)")
		})},
		{name: "update from a common table expression", weight: 3, build: notOnMariaDB(func(g *gen) statement {
			key := g.t.key()
			return g.db.NewUpdate().With("v", g.db.NewSelect().TableExpr(g.t.quoted()).ColumnExpr(key+" AS k, max("+g.t.num+") AS n").GroupExpr(key)).
				Model(g.model()).Table("v").Set(g.t.num + " = v.n").Where("v.k = ?TableAlias." + key)
		})},
		{name: "update, skip locked", weight: 3, build: func(g *gen) statement {
			if !g.pg() {
				return nil
			}
			set, args := g.set()
			key := g.t.key()
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(key + " IN (SELECT " + key + " FROM " + g.t.quoted() +
				" ORDER BY " + g.t.num + " LIMIT 2 FOR UPDATE SKIP LOCKED)")
		}},
		{name: "update nothing", weight: 4, build: func(g *gen) statement {
			where, args := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(g.t.text+" = "+g.t.text).Where(where, args...)
		}},
		{name: "move to another value and back", weight: 2, build: func(g *gen) statement {
			return g.db.NewUpdate().Model(g.model()).Set(g.t.num + " = -(-" + g.t.num + ")").Where("TRUE")
		}},
	}
}

// set1 is a column that a statement sets which reads other tables.
func (g *gen) set1(column string) string {
	if g.mariadb() {
		return "?TableAlias." + column
	}
	return column
}

// keyKinds change the key that tells rows apart.
func keyKinds() []statementKind {
	return []statementKind{
		{name: "change a key", weight: 5, build: func(g *gen) statement {
			if g.t.rekey == nil {
				return nil
			}
			set, args := g.t.rekey(g.r)
			where, wargs := g.t.byKey(g.r)
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(where, wargs...)
		}},
		{name: "change a key and more", weight: 3, build: func(g *gen) statement {
			if g.t.rekey == nil {
				return nil
			}
			set, args := g.t.rekey(g.r)
			more, margs := g.set()
			where, wargs := g.t.byKey(g.r)
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Set(more, margs...).Where(where, wargs...)
		}},
		{name: "change the keys of many", weight: 3, mayBe: true, build: func(g *gen) statement {
			if g.t.rekeyAll == "" {
				return nil
			}
			where, args := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(g.t.rekeyAll).Where(where, args...)
		}},
	}
}
