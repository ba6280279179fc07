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

// replaceIn puts the table in its place in a document: after <!-- bench REGEXP -->
// only the lines that match.
func (t *table) replaceIn(name string) error {
	return replaceIn(name, "bench", func(only string) (string, error) {
		match, err := regexp.Compile(only)
		if err != nil {
			return "", err
		}
		return t.markdown(match), nil
	})
}

// inEach does something with each of the documents in a list with commas.
func inEach(documents string, do func(name string) error) error {
	for _, name := range strings.FieldsFunc(documents, func(r rune) bool { return r == ',' }) {
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
}

// replaceIn puts a text between the lines <!-- mark … --> and <!-- /mark --> of
// a document. text is given what stands for the dots.
func replaceIn(name, mark string, text func(args string) (string, error)) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	place := regexp.MustCompile(`(?s)<!-- ` + mark + `( [^\n]*?)? -->\n.*?<!-- /` + mark + ` -->`)
	found := place.FindSubmatchIndex(old)
	if found == nil {
		return fmt.Errorf("%s has no <!-- %s --> for the table", name, mark)
	}
	args := ""
	if found[2] >= 0 {
		args = string(old[found[2]:found[3]])
	}
	inside, err := text(strings.TrimSpace(args))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	inside = fmt.Sprintf("<!-- %s%s -->\n%s<!-- /%s -->", mark, args, inside, mark)
	return os.WriteFile(name, slices.Concat(old[:found[0]], []byte(inside), old[found[1]:]), 0o644) //nolint:gosec // A document that everybody may read.
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
