package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// table is what was measured so far.
type table struct {
	about string
	names []string
	rows  []row
}

type row struct {
	name   string
	plain  time.Duration
	ratios []float64
}

// add notes a line, and returns it as text.
func (t *table) add(l *line, racers []*racer) string {
	r := row{name: l.String(), plain: median(racers[0].samples)}
	t.names = nil
	var parts []string
	for _, c := range racers {
		ratio := float64(median(c.samples)) / float64(r.plain)
		r.ratios = append(r.ratios, ratio)
		t.names = append(t.names, c.name)
		parts = append(parts, fmt.Sprintf("%s %.2f", c.name, ratio))
	}
	t.rows = append(t.rows, r)
	return fmt.Sprintf("%s: %s (plain takes %s)", r.name, strings.Join(parts, ", "), short(r.plain))
}

// replaceIn puts the table between the lines <!-- bench --> and <!-- /bench -->
// of a document; after <!-- bench REGEXP --> only the lines that match.
func (t *table) replaceIn(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	place := regexp.MustCompile(`(?s)<!-- bench(.*?) -->\n.*?<!-- /bench -->`)
	found := place.FindSubmatchIndex(text)
	if found == nil {
		return fmt.Errorf("%s has no <!-- bench --> for the table", name)
	}
	only := string(text[found[2]:found[3]])
	match, err := regexp.Compile(strings.TrimSpace(only))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	inside := fmt.Sprintf("<!-- bench%s -->\n%s<!-- /bench -->", only, t.markdown(match))
	text = slices.Concat(text[:found[0]], []byte(inside), text[found[1]:])
	return os.WriteFile(name, text, 0o644) //nolint:gosec // A document that everybody may read.
}

// markdown returns the lines that match as a table of Markdown.
func (t *table) markdown(match *regexp.Regexp) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| | plain takes |", t.about)
	for _, name := range t.names {
		fmt.Fprintf(&b, " %s |", name)
	}
	b.WriteString("\n|---|--:|" + strings.Repeat("--:|", len(t.names)) + "\n")
	for _, r := range t.rows {
		if !match.MatchString(r.name) {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s |", r.name, short(r.plain))
		for _, ratio := range r.ratios {
			fmt.Fprintf(&b, " %.2f |", ratio)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// short is a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
