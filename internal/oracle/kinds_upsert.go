package oracle

import "strings"

// upsertKinds insert, or do something else to the rows that are there.
func upsertKinds() []statementKind {
	return []statementKind{
		{name: "upsert", weight: 5, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.row(g.r)).On("CONFLICT (" + g.t.conflict + ") DO UPDATE").Set(g.excluded())
		}},
		{name: "upsert slice", weight: 6, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(5))).On("CONFLICT (" + g.t.conflict + ") DO UPDATE").Set(g.excluded())
		}},
		{name: "upsert by another unique column", weight: 4, build: func(g *gen) statement {
			if g.t.unique == "" {
				return nil
			}
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).On("CONFLICT (" + g.t.unique + ") DO UPDATE").Set(g.excluded())
		}},
		{name: "upsert of named columns", weight: 3, build: func(g *gen) statement {
			columns := g.columns()
			for _, c := range g.t.columns {
				if c.key {
					columns = append(columns, c.name)
				}
			}
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(3))).Column(columns...).On("CONFLICT (" + g.t.conflict + ") DO UPDATE")
		}},
		{name: "upsert with a condition", weight: 4, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).On("CONFLICT ("+g.t.conflict+") DO UPDATE").
				Set(g.excluded()).Where("?TableAlias."+g.t.num+" < ?", g.r.IntN(60))
		}},
		{name: "upsert of nothing new", weight: 2, build: func(g *gen) statement {
			own := "?TableAlias." + g.t.num
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).On("CONFLICT (" + g.t.conflict + ") DO UPDATE").
				Set(g.t.num + " = " + own)
		}},
		{name: "upsert, returning", weight: 2, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(3))).On("CONFLICT (" + g.t.conflict + ") DO UPDATE").
				Set(g.excluded()).Returning("*")
		}},
		{name: "upsert that moves rows", weight: 1, mayBe: true, build: func(g *gen) statement {
			if g.t.rekey == nil {
				return nil
			}
			conflict := g.t.conflict
			if g.t.unique != "" && g.r.IntN(3) > 0 {
				conflict = g.t.unique
			}
			set, args := g.t.rekey(g.r)
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(2))).On("CONFLICT ("+conflict+") DO UPDATE").Set(set, args...)
		}},
		{name: "raw upsert of a select", weight: 3, build: func(g *gen) statement {
			cols, sel := g.t.copy(g.r)
			where, args := g.stableWhere()
			return g.db.NewRaw("insert into "+g.name2()+" as x ("+cols+") select "+sel+" from "+g.t.quoted()+" where "+where+
				" on conflict ("+g.t.conflict+") do update set "+g.t.text+" = x."+g.t.text+" || '~'", args...)
		}},
		{name: "merge", weight: 2, mayBe: true, build: onPG(func(g *gen) statement {
			return g.db.NewRaw("MERGE INTO " + g.name() + " AS d USING (SELECT * FROM " + g.t.quoted() + " LIMIT 3) AS s ON d." + g.t.num +
				" = s." + g.t.num + " WHEN MATCHED AND length(s." + g.t.text + ") > 2 THEN DELETE WHEN MATCHED THEN UPDATE SET " +
				g.t.text + " = 'merged'")
		})},
	}
}

// stableWhere is a condition that holds for the same rows when it is asked again:
// an upsert is run twice to be recorded, and on SQLite, which can't say what
// became of a row, it fails where that gives other rows each time.
func (g *gen) stableWhere() (string, []any) {
	for {
		if where, args := g.where(); g.pg || !strings.Contains(where, "random()") {
			return where, args
		}
	}
}

// excluded is the assignment of an upsert.
func (g *gen) excluded() string {
	num, txt := g.t.num, g.t.text
	return pick(g.r, txt+" = EXCLUDED."+txt, num+" = EXCLUDED."+num+", "+txt+" = EXCLUDED."+txt,
		txt+" = ?TableAlias."+txt+" || EXCLUDED."+txt, num+" = EXCLUDED."+num)
}
