package oracle

func deleteKinds() []statementKind {
	return []statementKind{
		{name: "delete by key", weight: 6, build: func(g *gen) statement {
			return g.db.NewDelete().Model(g.t.row(g.r)).WherePK()
		}},
		{name: "delete by condition", weight: 5, build: func(g *gen) statement {
			where, args := g.where()
			return g.db.NewDelete().Model(g.model()).Where(where, args...)
		}},
		{name: "delete, returning", weight: 2, build: func(g *gen) statement {
			where, args := g.t.byKey(g.r)
			return into{g.db.NewDelete().Model(g.model()).Where(where, args...).Returning("*"), g.t.slice(g.r, 0)}
		}},
		{name: "delete slice by key", weight: 3, build: func(g *gen) statement {
			return g.db.NewDelete().Model(g.t.slice(g.r, 1+g.r.IntN(3))).WherePK()
		}},
		{name: "delete with a common table expression", weight: 2, build: notOnMariaDB(func(g *gen) statement {
			where, args := g.where()
			key := g.t.key()
			return g.db.NewDelete().With("picked", g.db.NewSelect().TableExpr(g.t.quoted()).ColumnExpr(key).Where(where, args...)).
				Model(g.model()).Where(key + " IN (SELECT " + key + " FROM picked)")
		})},
		{name: "delete using", weight: 2, build: func(g *gen) statement {
			if !g.pg() {
				return nil
			}
			o := g.other()
			return g.db.NewRaw("DELETE FROM "+g.name()+" AS d USING "+o.quoted()+" AS o WHERE o."+o.num+" > ? AND length(d."+
				g.t.text+") = length(o."+o.text+")", g.r.IntN(60))
		}},
		{name: "delete for good", weight: 4, build: func(g *gen) statement {
			if g.t.soft == "" {
				return nil
			}
			where, args := g.where()
			return g.db.NewDelete().Model(g.model()).Where(where, args...).ForceDelete()
		}},
		{name: "delete what is marked as deleted", weight: 2, build: func(g *gen) statement {
			if g.t.soft == "" {
				return nil
			}
			where, args := g.where()
			return g.db.NewDelete().Model(g.model()).Where(where, args...).WhereDeleted().ForceDelete()
		}},
		{name: "truncate", weight: 1, build: onPG(func(g *gen) statement { return g.db.NewRaw("TRUNCATE " + g.name2()) })},
		{name: "truncate several", weight: 1, build: onPG(func(g *gen) statement {
			return g.db.NewRaw("TRUNCATE " + g.name2() + ", " + g.other().quoted() + " RESTART IDENTITY")
		})},
		{name: "truncate, built", weight: 1, build: onPG(func(g *gen) statement {
			return exec0{g.db.NewTruncateTable().Model(g.model())}
		})},
		{name: "restore", weight: 6, build: func(g *gen) statement {
			if g.t.soft == "" {
				return nil
			}
			where, args := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(g.t.soft+" = NULL").Where(where, args...).WhereDeleted()
		}},
		{name: "mark as deleted by hand", weight: 3, build: func(g *gen) statement {
			if g.t.soft == "" {
				return nil
			}
			set, sargs := g.set()
			where, args := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(g.t.soft+" = ?", when(g.r)).Set(set, sargs...).Where(where, args...).
				WhereAllWithDeleted()
		}},
	}
}
