package eventrow

import (
	"strings"
	"time"
)

// CreateMonthly is like Create, on PostgreSQL, for a table that is partitioned by
// the month of the events' time, with the partition that takes what no month
// does. Every unique index of such a table includes the time.
func (t Table) CreateMonthly(d Dialect) ([]string, error) {
	stmts, err := t.Create(d)
	if err != nil {
		return nil, err
	}
	for i, s := range stmts {
		if strings.HasPrefix(s, "CREATE TABLE") {
			stmts[i] = monthly(s)
		}
	}
	return append(stmts, "CREATE TABLE IF NOT EXISTS "+t.OtherMonths().Quoted(d)+" PARTITION OF "+t.Quoted(d)+" DEFAULT"), nil
}

// monthly partitions the table of a CREATE TABLE.
func monthly(create string) string {
	return strings.NewReplacer(
		"IDENTITY PRIMARY KEY", "IDENTITY",
		"NOT NULL UNIQUE", "NOT NULL",
		"\n)", ",\n  PRIMARY KEY (\"seq\", \"time\"),\n  UNIQUE (\"id\", \"time\")\n) PARTITION BY RANGE (\"time\")",
	).Replace(create)
}

// OtherMonths is the partition that takes the events of months that have none.
func (t Table) OtherMonths() Table { return Table{t.Schema, t.Name + "_default"} }

// Month returns the beginning of the month that a time is in, in UTC, and the
// partition of that month.
func (t Table) Month(at time.Time) (time.Time, Table) {
	at = at.UTC()
	first := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	return first, Table{t.Schema, t.Name + first.Format("_2006_01")}
}
