package oracle

import (
	"fmt"

	"github.com/uptrace/bun"
)

// mariadbKinds are written as MariaDB alone has it.
func mariadbKinds() []statementKind {
	on := func(name string, weight int, build func(g *gen) statement) statementKind {
		return statementKind{name: name, weight: weight, build: func(g *gen) statement {
			if !g.mariadb() {
				return nil
			}
			return build(g)
		}}
	}
	refuse := func(name string, build func(g *gen) statement) statementKind {
		k := on("refused: "+name, 1, build)
		k.refused = true
		return k
	}
	return []statementKind{
		on("upsert that tells the key", 3, func(g *gen) statement {
			key := g.t.key()
			if c, _ := g.t.lookup(bare(key)); c.kind != kindInt {
				return nil
			}
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(3))).On("DUPLICATE KEY UPDATE").
				Set(key + " = LAST_INSERT_ID(" + g.own(key) + ")").Set(g.excluded())
		}),
		on("upsert of what depends on the row", 3, func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).On("DUPLICATE KEY UPDATE").
				Set(fmt.Sprintf("%[1]s = IF(%[2]s < ?, VALUES(%[1]s), %[2]s)", g.t.num, g.own(g.t.num)), g.r.IntN(60))
		}),
		on("raw upsert", 4, func(g *gen) statement {
			q := g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).Returning("NULL").String()
			return g.db.NewRaw("? # '\n on duplicate /* key */ key update ?", bun.Safe(q), bun.Safe(g.excluded()))
		}),
		on("upsert, ignore", 2, func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).Ignore().On("DUPLICATE KEY UPDATE").Set(g.excluded())
		}),
		on("insert select, ignore", 2, func(g *gen) statement {
			cols, sel := g.t.copy(g.r)
			where, args := g.where()
			return g.db.NewRaw("INSERT IGNORE INTO "+g.name2()+" ("+cols+") SELECT "+sel+" FROM "+g.t.quoted()+" WHERE "+where, args...)
		}),
		on("replace select", 3, func(g *gen) statement {
			cols, sel := g.t.copy(g.r)
			where, args := g.where()
			return g.db.NewRaw("REPLACE INTO "+g.name2()+" ("+cols+") SELECT "+pick(g.r, sel, cols)+" FROM "+g.t.quoted()+" WHERE "+where+" LIMIT 3", args...)
		}),
		on("raw insert, returning", 2, func(g *gen) statement {
			var dest []map[string]any
			q := g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(2))).Returning("NULL").String()
			return into{g.db.NewRaw(q + " RETURNING " + g.t.num + ", 'x' AS x"), &dest}
		}),
		on("update some, in an order", 5, func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(where, wargs...).
				OrderExpr(g.t.num + pick(g.r, "", " DESC") + ", " + g.t.key()).Limit(2)
		}),
		on("update some, in no order", 2, func(g *gen) statement {
			set, args := g.set()
			return g.db.NewUpdate().Model(g.model()).Set(set, args...).Where(g.t.num + " >= 0").Limit(2)
		}),
		// Not of a unique column: of a row that is left as it is because its value is
		// taken, the triggers are told that it was updated.
		on("update, ignore", 3, func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			return g.db.NewRaw(g.dress("update ignore", g.name(), "set "+set, "where "+where), append(args, wargs...)...)
		}),
		on("update by a join", 5, func(g *gen) statement {
			o := g.other()
			key := g.t.key()
			return g.db.NewRaw(fmt.Sprintf("UPDATE %s AS d %s JOIN %s AS o ON length(d.%s) >= length(o.%s) SET d.%s = length(o.%s) + d.%s WHERE d.%s IS NOT NULL AND o.%s > ?",
				g.name(), pick(g.r, "", "LEFT", "INNER"), o.quoted(), g.t.text, o.text, g.t.num, o.text, g.t.num, key, o.num), g.r.IntN(40))
		}),
		on("update by a derived table", 4, func(g *gen) statement {
			key := g.t.key()
			return g.db.NewRaw(fmt.Sprintf("UPDATE %[1]s JOIN (SELECT %[2]s AS k, MAX(%[3]s) AS n FROM %[4]s GROUP BY %[2]s) AS v ON v.k = %[4]s.%[2]s SET %[4]s.%[3]s = v.n %% 1000 + 1",
				g.t.quoted(), key, g.t.num, g.t.quoted()))
		}),
		on("update by a recursive query", 2, func(g *gen) statement {
			set, args := g.set()
			return g.db.NewRaw(g.dress("update", g.name(), "set "+set, "where "+g.t.num+
				" in (with recursive n(i) as (select 1 union all select i + 1 from n where i < 3) select i from n)"), args...)
		}),
		on("change the keys of many, in an order", 3, func(g *gen) statement {
			if g.t.rekeyAll == "" {
				return nil
			}
			where, args := g.where()
			q := g.db.NewUpdate().Model(g.model()).Set(g.t.rekeyAll).Where(where, args...).OrderExpr(g.t.key() + " DESC")
			if chance(g.r, 50) { // of the new key
				q = q.Set(g.t.num + " = length(" + g.t.key() + ")")
			}
			return q
		}),
		on("delete some, in an order", 3, func(g *gen) statement {
			where, args := g.where()
			return g.db.NewDelete().Model(g.model()).Where(where, args...).OrderExpr(g.t.num + ", " + g.t.key()).Limit(2)
		}),
		on("raw delete, quick", 1, func(g *gen) statement {
			where, args := g.where()
			return g.db.NewRaw(g.dress("delete quick from", g.name(), "where "+where), args...)
		}),
		refuse("truncate", func(g *gen) statement { return g.db.NewRaw("TRUNCATE TABLE " + g.name()) }),
		refuse("truncate, built", func(g *gen) statement { return exec0{g.db.NewTruncateTable().Model(g.model())} }),
		refuse("delete by way of several tables", func(g *gen) statement {
			return g.db.NewRaw("DELETE d FROM " + g.name() + " AS d JOIN " + g.other().quoted() + " AS o ON o." + g.t.key() + " = d." + g.t.key())
		}),
		refuse("delete, ignore", func(g *gen) statement { return g.db.NewRaw("DELETE IGNORE FROM " + g.name()) }),
		refuse("insert, delayed", func(g *gen) statement {
			return g.db.NewRaw("INSERT DELAYED INTO " + g.name() + " () VALUES ()")
		}),
		refuse("update of the second table of a join", func(g *gen) statement {
			return g.db.NewRaw("UPDATE (SELECT 1 AS n) AS one, " + g.name() + " SET " + g.t.num + " = 5")
		}),
		refuse("a comment that some servers execute", func(g *gen) statement {
			return g.db.NewRaw("UPDATE " + g.name() + " /*!99999 nothing */ SET " + g.t.num + " = 5")
		}),
		refuse("change keys, ignore", func(g *gen) statement {
			if g.t.rekeyAll == "" {
				return nil
			}
			return g.db.NewRaw("UPDATE IGNORE " + g.name() + " SET " + g.t.rekeyAll)
		}),
	}
}
