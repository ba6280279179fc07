package oracle

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// shrinkTime bounds the search for a small program.
const shrinkTime = time.Minute

// Shrink returns the smallest program that it finds by leaving out blocks and
// statements, each time running what is left with one client, and what that
// program differs in. It reports false where one client doesn't show any
// difference: then the schedule matters, and the whole program is returned.
func (w *World) Shrink(ctx context.Context, found *Report) (text string, differences []string, ok bool) {
	deadline := time.Now().Add(shrinkTime)
	o := found.Options
	o.Clients, o.Kill, o.Control = 1, false, ""
	best := found.Program
	try := func(p *Program) bool {
		report, err := w.play(ctx, p, o)
		if err != nil || len(report.Differences) == 0 {
			return false
		}
		best, differences = p, report.Differences
		return true
	}
	if !try(best) {
		return w.describe(best), found.Differences, false
	}
	for chunk := (len(best.blocks) + 1) / 2; chunk > 0; chunk /= 2 {
		for at := 0; at < len(best.blocks) && time.Now().Before(deadline); {
			blocks := slices.Delete(slices.Clone(best.blocks), at, min(at+chunk, len(best.blocks)))
			if !try(best.with(blocks)) {
				at += chunk
			}
		}
	}
	for i := range best.blocks {
		for at := 0; at < len(best.blocks[i].steps) && time.Now().Before(deadline); {
			blocks := slices.Clone(best.blocks)
			blocks[i].steps = slices.Delete(slices.Clone(blocks[i].steps), at, at+1)
			if !try(best.with(blocks)) {
				at++
			}
		}
	}
	return w.describe(best), differences, true
}

func (p *Program) with(blocks []block) *Program {
	return &Program{Seed: p.Seed, tables: p.tables, blocks: blocks}
}

// Involved describes the blocks that the differences of a report name.
func (r *Report) Involved(w *World) string {
	named := map[string]bool{}
	for _, d := range r.Differences {
		for _, m := range inDifference.FindAllStringSubmatch(d, -1) {
			named[m[1]] = true
		}
	}
	var blocks []block
	for _, b := range r.Program.blocks {
		if named[fmt.Sprint(b.id)] {
			blocks = append(blocks, b)
		}
	}
	return w.describe(r.Program.with(blocks))
}

var inDifference = regexp.MustCompile(`(?:"b|block )(\d+)`)
