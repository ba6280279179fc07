package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// selects is a hook that collects the SELECTs of a pool.
type selects struct{ queries []string }

func (*selects) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (s *selects) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	if e.Operation() == "SELECT" {
		s.queries = append(s.queries, e.Query)
	}
}

// explain asks each question once more and has the server explain the very
// statements that it came to.
func (g *grown) explain(ctx context.Context, dsn string) error {
	if g.events == 0 {
		return nil
	}
	db, err := (&contender{schema: g.schema}).open(dsn, false)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // It was read from alone.
	seen := &selects{}
	db.AddQueryHook(seen)
	for _, q := range g.questions {
		seen.queries = nil
		if _, err := q.ask(ctx, db, rand.Uint64()); err != nil { //nolint:gosec // Nothing depends on how random it is.
			return err
		}
		for _, query := range seen.queries {
			var lines []string
			if err := g.admin.NewRaw("EXPLAIN (ANALYZE, BUFFERS) ?", bun.Safe(query)).Scan(ctx, &lines); err != nil {
				return fmt.Errorf("%s: explain: %w", q.name, err)
			}
			q.plans = append(q.plans, query+"\n\n"+strings.Join(lines, "\n"))
		}
	}
	return nil
}

// aboutGrowth says what was measured, on what.
func aboutGrowth(ctx context.Context, db *bun.DB) (string, error) {
	var version, fsync, buffers string
	if err := db.NewRaw("SELECT current_setting('server_version'), current_setting('fsync'), current_setting('shared_buffers')").
		Scan(ctx, &version, &fsync, &buffers); err != nil {
		return "", err
	}
	return fmt.Sprintf("PostgreSQL %s with fsync %s and shared_buffers %s, %s; %d processors of %s/%s, which client and server share. Milliseconds, p50 / p99 of %d samples, "+
		"the sizes in turns in one run, each sample with another row, actor or day. What is asked is timed the first time and at once again: what the first time "+
		"isn't in memory is the second.", version, fsync, buffers, runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, growthRounds), nil
}

// growthMarkdown returns the table, and below it the plans, folded.
func growthMarkdown(about string, all []*grown) string {
	var b strings.Builder
	line := func(name string, cell func(*grown) string) {
		b.WriteString("| " + name)
		for _, g := range all {
			b.WriteString(" | " + cell(g))
		}
		b.WriteString(" |\n")
	}
	b.WriteString(about + "\n\n")
	line("events in the table", func(g *grown) string { return count(g.events) })
	line("---", func(*grown) string { return "--:" })
	for i, w := range all[0].writes {
		line(w.name+", plain", func(g *grown) string { return spread(g.writes[i].plain) })
		line(w.name+", audited", func(g *grown) string { return spread(g.writes[i].audited) })
		line("audited to plain", func(g *grown) string {
			return fmt.Sprintf("%.2f", float64(percentile(g.writes[i].audited, 50))/float64(percentile(g.writes[i].plain, 50)))
		})
	}
	for i, q := range all[0].questions {
		line(q.name, func(g *grown) string { return spread(g.questions[i].first) })
		line(q.name+", again", func(g *grown) string { return spread(g.questions[i].again) })
	}
	for _, g := range all {
		for _, q := range g.questions {
			for _, plan := range q.plans {
				fmt.Fprintf(&b, "\n<details><summary>%s, of %s events</summary>\n\n```\n%s\n```\n\n</details>\n", q.name, count(g.events), plan)
			}
		}
	}
	return b.String()
}

func spread(samples []time.Duration) string {
	if samples == nil {
		return ""
	}
	ms := func(p int) float64 { return float64(percentile(samples, p)) / float64(time.Millisecond) }
	return fmt.Sprintf("%.2f / %.2f", ms(50), ms(99))
}

// count writes a number with commas between its thousands.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), n%1000)
}
