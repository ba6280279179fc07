package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
)

// firstPartition is the end of the name of the partition that a table becomes
// when it is converted.
const firstPartition = "_first"

// convert gives partitions to the table: what it is becomes the first of them, up
// to the end of the month, and no event is copied. All that takes long, the
// indexes and one reading of the table, is done while others read and write. It
// can be called again after an error.
func (s *Sink) convert(ctx context.Context, db *bun.DB) error {
	switch kind, err := s.kind(ctx, db); {
	case err != nil:
		return err
	case kind == "":
		return s.createMonthly(ctx, db)
	case kind == partitionedKind:
		_, err := s.addPartitions(ctx, db, monthsAhead)
		return err
	}
	c := conversion{Sink: s, db: db, first: s.beside(s.table.Name + firstPartition)}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"look for what can't be converted", c.obstacles},
		{"bound its times", c.bind},
		{"index it", c.index},
		{"make it a partition", c.swap},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, gaveUp(ctx, err))
		}
	}
	_, err := s.addPartitions(ctx, db, monthsAhead)
	return err
}

// gaveUp says what to do where the driver hasn't waited for the database for as long
// as it takes.
func gaveUp(ctx context.Context, err error) error {
	err = withContext(ctx, err)
	var timeout net.Error
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		return err
	}
	return fmt.Errorf("%w: it takes longer than the driver waits: migrate through a pool that waits, pgdriver.WithReadTimeout(24*time.Hour) say, "+
		"and run the migration again", err)
}

type conversion struct {
	*Sink
	db    *bun.DB
	first eventrow.Table
	until time.Time
}

// obstacles refuses a table with what would stay with its first partition and
// leave the others without, or would have to be made anew.
func (c *conversion) obstacles(ctx context.Context) error {
	var found []string
	name := c.quoted(c.table)
	err := c.db.NewRaw(`WITH t AS (SELECT to_regclass(?)::oid AS oid)
SELECT 'trigger ' || tgname FROM pg_catalog.pg_trigger, t WHERE tgrelid = t.oid AND NOT tgisinternal
UNION ALL SELECT 'policy ' || polname FROM pg_catalog.pg_policy, t WHERE polrelid = t.oid
UNION ALL SELECT 'foreign key ' || conname FROM pg_catalog.pg_constraint, t WHERE confrelid = t.oid
UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication_rel JOIN pg_catalog.pg_publication AS p ON p.oid = prpubid, t WHERE prrelid = t.oid
UNION ALL SELECT DISTINCT 'view ' || v.relname FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
	JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class, t WHERE d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
UNION ALL SELECT 'grant on column ' || attname FROM pg_catalog.pg_attribute, t WHERE attrelid = t.oid AND attacl IS NOT NULL
UNION ALL SELECT 'table ' || c.relname FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS c ON c.oid IN (inhrelid, inhparent), t
	WHERE t.oid IN (inhrelid, inhparent) AND c.oid <> t.oid
ORDER BY 1`, name).Scan(ctx, &found)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("it can't be carried over: %s: drop it, and make it anew afterwards", strings.Join(found, ", "))
	}
	return err
}

// bind gives the table a constraint that spares attaching it from reading it. The
// month may end soon, or a clock be ahead: there is a day to spare.
func (c *conversion) bind(ctx context.Context) error {
	var last *time.Time
	if err := c.db.NewRaw(`SELECT max("time") FROM ?`, c.table.Expr()).Scan(ctx, &last); err != nil {
		return err
	}
	end := time.Now()
	if last != nil && last.After(end) {
		end = *last
	}
	month, _ := c.table.Month(end.AddDate(0, 0, 1))
	c.until = month.AddDate(0, 1, 0)
	err := patiently(ctx, c.db, func(ctx context.Context, tx bun.Tx) error {
		if err := exec(ctx, tx, "ALTER TABLE ? DROP CONSTRAINT IF EXISTS ?", c.table.Expr(), c.named("_time_check")); err != nil {
			return err
		}
		return exec(ctx, tx, `ALTER TABLE ? ADD CONSTRAINT ? CHECK ("time" < ?) NOT VALID`, c.table.Expr(), c.named("_time_check"),
			eventrow.NewTime(c.until))
	})
	if err != nil {
		return err
	}
	return exec(ctx, c.db, "ALTER TABLE ? VALIDATE CONSTRAINT ?", c.table.Expr(), c.named("_time_check"))
}

// named is the name of something that belongs to the first partition.
func (c *conversion) named(suffix string) bun.Name { return bun.Name(c.first.Name + suffix) }

// index makes the unique indexes that a partition has to have.
func (c *conversion) index(ctx context.Context) error {
	for _, x := range []struct{ name, columns string }{{"_pkey", `("seq", "time")`}, {"_id_time_key", `("id", "time")`}} {
		// One that an interrupted attempt left behind is of no use.
		index := c.beside(string(c.named(x.name)))
		if err := exec(ctx, c.db, "DROP INDEX CONCURRENTLY IF EXISTS ?", index.Expr()); err != nil {
			return err
		}
		if err := exec(ctx, c.db, "CREATE UNIQUE INDEX CONCURRENTLY ? ON ? ?", bun.Name(index.Name), c.table.Expr(), bun.Safe(x.columns)); err != nil {
			return err
		}
	}
	return nil
}

// swap puts a table with partitions in the place of the table, which becomes one.
func (c *conversion) swap(ctx context.Context) error {
	return patiently(ctx, c.db, func(ctx context.Context, tx bun.Tx) error {
		if err := eventrow.Lock(ctx, tx); err != nil {
			return err
		}
		if err := exec(ctx, tx, "LOCK TABLE ? IN ACCESS EXCLUSIVE MODE", c.table.Expr()); err != nil {
			return err
		}
		rights, err := c.rights(ctx, tx)
		if err != nil {
			return err
		}
		indexes, err := c.step(ctx, tx)
		if err != nil {
			return err
		}
		ddl := []string{
			"CREATE TABLE {table} (LIKE {first} INCLUDING DEFAULTS INCLUDING COMMENTS INCLUDING STORAGE) PARTITION BY RANGE (\"time\")",
			indexes.identity,
			`ALTER TABLE {table} ADD PRIMARY KEY ("seq", "time"), ADD UNIQUE ("id", "time")`,
		}
		ddl = append(ddl, indexes.create...)
		ddl = append(ddl,
			"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ('"+c.until.Format(time.RFC3339)+"')",
			"ALTER TABLE {first} DROP CONSTRAINT "+c.quotedNamed("_time_check"),
			"CREATE TABLE {other} PARTITION OF {table} DEFAULT",
		)
		return c.run(ctx, tx, append(ddl, rights...))
	})
}

// stepped is what is to be made anew of the table.
type stepped struct {
	identity string
	create   []string
}

// step makes room for the new table: the old one gets another name, and gives up
// its numbers and the indexes that can't be those of a partition.
func (c *conversion) step(ctx context.Context, tx bun.Tx) (stepped, error) {
	var next int64
	var constraints []string
	if err := tx.NewRaw("SELECT nextval(pg_get_serial_sequence(?, 'seq'))", c.quoted(c.table)).Scan(ctx, &next); err != nil {
		return stepped{}, err
	}
	err := tx.NewRaw("SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = to_regclass(?) AND contype IN ('p', 'u')",
		c.quoted(c.table)).Scan(ctx, &constraints)
	if err != nil {
		return stepped{}, err
	}
	out := stepped{identity: fmt.Sprintf(`ALTER TABLE {table} ALTER "seq" ADD GENERATED ALWAYS AS IDENTITY (START WITH %d)`, next)}
	ddl := []string{`ALTER TABLE {table} ALTER "seq" DROP IDENTITY`}
	for _, name := range constraints {
		ddl = append(ddl, "ALTER TABLE {table} DROP CONSTRAINT "+c.quoted(eventrow.Table{Name: name}))
	}
	ddl = append(ddl, "ALTER TABLE {table} RENAME TO {first_name}",
		"ALTER TABLE {first} ADD PRIMARY KEY USING INDEX "+c.quotedNamed("_pkey"),
		"ALTER TABLE {first} ADD UNIQUE USING INDEX "+c.quotedNamed("_id_time_key"))
	for _, x := range c.table.Indexes(c.db.Dialect()) {
		var there bool
		if err := tx.NewRaw("SELECT to_regclass(?) IS NOT NULL", c.quoted(c.beside(x.Name))).Scan(ctx, &there); err != nil {
			return stepped{}, err
		}
		if there { // else somebody has no use for it
			ddl = append(ddl, fmt.Sprintf("ALTER INDEX %s RENAME TO %s", c.quoted(c.beside(x.Name)),
				c.quotedNamed(strings.TrimPrefix(x.Name, c.table.Name))))
			out.create = append(out.create, x.Create)
		}
	}
	return out, c.run(ctx, tx, ddl)
}

// rights are the statements that give the new table the owner and the grants of
// the old one.
func (c *conversion) rights(ctx context.Context, tx bun.Tx) ([]string, error) {
	var ddl []string
	err := tx.NewRaw(`WITH t AS (SELECT * FROM pg_catalog.pg_class WHERE oid = to_regclass(?))
SELECT format('ALTER TABLE {table} OWNER TO %I', pg_get_userbyid(relowner)) FROM t
UNION ALL SELECT format('GRANT %s ON {table} TO %s%s', g.privilege_type,
	CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
	CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM t, LATERAL aclexplode(t.relacl) AS g WHERE g.grantee <> t.relowner`, c.quoted(c.table)).Scan(ctx, &ddl)
	return ddl, err
}

// run runs statements, with the names of the tables in the place of their
// placeholders.
func (c *conversion) run(ctx context.Context, tx bun.Tx, ddl []string) error {
	names := strings.NewReplacer("{table}", c.quoted(c.table), "{first}", c.quoted(c.first),
		"{first_name}", c.quotedNamed(""), "{other}", c.quoted(c.table.OtherMonths()))
	stmts := make([]string, len(ddl))
	for i, stmt := range ddl {
		stmts[i] = names.Replace(stmt)
	}
	return eventrow.Run(ctx, tx, stmts)
}

func (c *conversion) quoted(t eventrow.Table) string { return t.Quoted(c.db.Dialect()) }

// quotedNamed is the quoted name, without its schema, of what named names.
func (c *conversion) quotedNamed(suffix string) string {
	return c.quoted(eventrow.Table{Name: string(c.named(suffix))})
}
