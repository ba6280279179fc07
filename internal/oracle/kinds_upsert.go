package oracle

import (
	"strings"

	"github.com/uptrace/bun"
)

// upsertKinds insert, or do something else to the rows that are there.
func upsertKinds() []statementKind {
	return []statementKind{
		{name: "upsert", weight: 5, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.row(g.r)).Apply(g.update(g.t.conflict)).Set(g.excluded())
		}},
		{name: "upsert slice", weight: 6, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(5))).Apply(g.update(g.t.conflict)).Set(g.excluded())
		}},
		{name: "upsert by another unique column", weight: 4, build: func(g *gen) statement {
			if g.t.unique == "" {
				return nil
			}
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).Apply(g.update(g.t.unique)).Set(g.excluded())
		}},
		{name: "upsert of named columns", weight: 3, build: func(g *gen) statement {
			columns := g.columns()
			for _, c := range g.t.columns {
				if c.key {
					columns = append(columns, c.name)
				}
			}
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(3))).Column(columns...).Apply(g.update(g.t.conflict))
		}},
		{name: "upsert with a condition", weight: 4, build: notOnMariaDB(func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).Apply(g.update(g.t.conflict)).
				Set(g.excluded()).Where("?TableAlias."+g.t.num+" < ?", g.r.IntN(60))
		})},
		{name: "upsert of nothing new", weight: 2, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(4))).Apply(g.update(g.t.conflict)).
				Set(g.t.num + " = " + g.own(g.t.num))
		}},
		{name: "upsert, returning", weight: 2, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(3))).Apply(g.update(g.t.conflict)).
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
			return g.db.NewInsert().Model(g.t.slice(g.r, 1+g.r.IntN(2))).Apply(g.update(conflict)).Set(set, args...)
		}},
		{name: "raw upsert of a select", weight: 3, build: func(g *gen) statement {
			cols, sel := g.t.copy(g.r)
			where, args := g.stableWhere()
			if g.mariadb() {
				return g.db.NewRaw("insert into "+g.name2()+" ("+cols+") select "+sel+" from "+g.t.quoted()+" as src where "+where+
					" on duplicate key update "+g.t.text+" = concat("+g.own(g.t.text)+", '~')", args...)
			}
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
		if where, args := g.where(); !g.sqlite() || !strings.Contains(where, "random()") {
			return where, args
		}
	}
}

// excluded is the assignment of an upsert.
func (g *gen) excluded() string {
	num, txt := g.t.num, g.t.text
	excluded := func(column string) string {
		if g.mariadb() {
			return "VALUES(" + column + ")"
		}
		return "EXCLUDED." + column
	}
	return pick(g.r, txt+" = "+excluded(txt), num+" = "+excluded(num)+", "+txt+" = "+excluded(txt),
		txt+" = "+g.sql.concat(g.own(txt), excluded(txt)), num+" = "+excluded(num))
}

// update makes an insert update the rows that it finds: by the columns of target,
// on MariaDB by any unique index.
func (g *gen) update(target string) func(q *bun.InsertQuery) *bun.InsertQuery {
	return func(q *bun.InsertQuery) *bun.InsertQuery {
		if g.mariadb() {
			return q.On("DUPLICATE KEY UPDATE")
		}
		return q.On("CONFLICT (" + target + ") DO UPDATE")
	}
}
