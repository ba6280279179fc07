package oracle

// rawKinds are given as text to NewRaw, dressed up so that it has to be read
// with care.
func rawKinds() []statementKind {
	return []statementKind{
		{name: "raw update", weight: 6, build: func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			return g.db.NewRaw(g.dress("update", g.name(), "set "+set, "where "+where), append(args, wargs...)...)
		}},
		{name: "raw update, returning", weight: 3, build: notOnMariaDB(func(g *gen) statement {
			set, args := g.set()
			where, wargs := g.where()
			var dest []map[string]any
			return into{g.db.NewRaw(g.dress("update", g.name(), "as x set "+set, "where "+where, "returning *, "+g.t.num+" as again"),
				append(args, wargs...)...), &dest}
		})},
		{name: "raw delete", weight: 3, build: func(g *gen) statement {
			where, args := g.where()
			return g.db.NewRaw(g.dress("delete from", g.name(), "where "+where), args...)
		}},
		{name: "raw delete, returning", weight: 1, build: func(g *gen) statement {
			where, args := g.t.byKey(g.r)
			var dest []map[string]any
			return into{g.db.NewRaw(g.dress("delete from", g.name(), "where "+where, "returning "+g.t.num), args...), &dest}
		}},
		{name: "raw update, recursive", weight: 2, build: notOnMariaDB(func(g *gen) statement {
			set, args := g.set()
			return g.db.NewRaw(g.dress("with recursive n(i) as (select 1 union all select i + 1 from n where i < 3)", "update", g.name(),
				"set "+set, "where "+g.t.num+" in (select i from n)"), args...)
		})},
		{name: "raw update of all", weight: 1, build: func(g *gen) statement {
			set, args := g.set()
			return g.db.NewRaw(g.dress("update", g.name(), "set "+set), args...)
		}},
		{name: "raw update with literals", weight: 3, build: func(g *gen) statement {
			where, args := g.where()
			literal := pick(g.r, `'it''s; -- no /* comment'`, `'WHERE'`, `'RETURNING 1'`)
			switch {
			case g.mariadb():
				literal = pick(g.r, literal, `"it's"`, `'\'; -- \\'`, `_utf8mb4 X'4142'`, "'`'", "N'#'")
			case g.pg():
				literal = pick(g.r, literal, `$$ where ' " $$`, `$t$ $$ $t$`, `E'\' where \\'`, `U&'\0041'`, `'\'`)
			}
			return g.db.NewRaw(g.dress("update", g.name(), "set "+g.t.text+" = "+literal, "where "+where), args...)
		}},
	}
}

// dress joins the parts of a statement with what may stand between them.
func (g *gen) dress(parts ...string) string {
	between := []string{" ", "\n", " /* ' */ ", " -- \"\n", "\t"}
	if g.mariadb() {
		between = append(between, " # it's `\n")
	}
	s := pick(g.r, "", "/* hello */ ", "-- who: 'me'\n", "\n\t")
	for i, p := range parts {
		if i > 0 {
			s += pick(g.r, between...)
		}
		s += p
	}
	return s + pick(g.r, "", "", ";", " -- end", " /* end */", "\n")
}

// failingKinds fail by the database's word, some of them after the first row.
func failingKinds() []statementKind {
	return []statementKind{
		{name: "fail: not null", weight: 2, build: func(g *gen) statement {
			where, args := g.where()
			return g.db.NewUpdate().Model(g.model()).Set(g.t.key()+" = NULL").Where(where, args...)
		}, mayBe: true},
		{name: "fail: check", weight: 2, build: func(g *gen) statement {
			if g.t.check == "" {
				return nil
			}
			return g.db.NewUpdate().Model(g.model()).Set(g.t.num + " = -5000 + " + g.t.num).Where("TRUE")
		}},
		{name: "fail: duplicate in a slice", weight: 2, build: func(g *gen) statement {
			return g.db.NewInsert().Model(g.t.slice(g.r, 12))
		}},
		{name: "fail: no such column", weight: 1, build: func(g *gen) statement {
			return g.db.NewUpdate().Model(g.model()).Set("nonsense = 1").Where("TRUE")
		}},
		{name: "fail: at some row", weight: 2, build: func(g *gen) statement {
			if g.sqlite() {
				return nil
			}
			return g.db.NewUpdate().Model(g.model()).Set(g.t.num + " = 1 / (length(" + g.t.text + ") - 1)").Where("TRUE")
		}},
		{name: "fail: returning", weight: 1, build: func(g *gen) statement {
			if !g.pg() {
				return nil
			}
			return g.db.NewDelete().Model(g.model()).Where("TRUE").Returning("1 / 0")
		}},
	}
}

// refusedKinds write in ways that the audit can't record.
func refusedKinds() []statementKind {
	refuse := func(name string, build func(g *gen) statement) statementKind {
		return statementKind{name: "refused: " + name, weight: 1, refused: true, build: build}
	}
	return []statementKind{
		refuse("text to Exec", func(g *gen) statement {
			return asText{g.db, "UPDATE " + g.name() + " SET " + g.t.num + " = 77"}
		}),
		refuse("several statements", func(g *gen) statement {
			return g.db.NewRaw("UPDATE " + g.name() + " SET " + g.t.num + " = 77; DELETE FROM " + g.name())
		}),
		refuse("several statements, the first harmless", func(g *gen) statement {
			return g.db.NewRaw("SELECT 1; DELETE FROM " + g.name())
		}),
		refuse("a common table expression that writes", onPG(func(g *gen) statement {
			return g.db.NewRaw("WITH gone AS (DELETE FROM " + g.name() + " RETURNING *) SELECT count(*) FROM gone")
		})),
		refuse("explain analyze", onPG(func(g *gen) statement {
			return g.db.NewRaw("EXPLAIN ANALYZE DELETE FROM " + g.name())
		})),
		refuse("copy", onPG(func(g *gen) statement {
			return g.db.NewRaw("COPY " + g.name2() + " FROM PROGRAM 'true'")
		})),
		refuse("update or replace", func(g *gen) statement {
			if !g.sqlite() {
				return nil
			}
			return g.db.NewRaw("UPDATE OR REPLACE " + g.name() + " SET " + g.t.num + " = 77")
		}),
	}
}

func onPG(build func(g *gen) statement) func(g *gen) statement {
	return func(g *gen) statement {
		if !g.pg() {
			return nil
		}
		return build(g)
	}
}

func notOnMariaDB(build func(g *gen) statement) func(g *gen) statement {
	return func(g *gen) statement {
		if g.mariadb() {
			return nil
		}
		return build(g)
	}
}
