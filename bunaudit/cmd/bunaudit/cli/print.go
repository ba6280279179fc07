package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/sqlaudit/bun/sink"
)

// line prints a line of JSON.
func (c *command) line(v any) error { return writeLine(c.out, v) }

// outcome prints what something came to, result with --json and text without, and
// returns err. Where an error ended it, that is how far it has come, if anywhere.
func (c *command) outcome(n int64, err error, result any, text string) error {
	if err != nil && n == 0 {
		return err
	}
	var printErr error
	if c.json {
		printErr = c.line(result)
	} else {
		_, printErr = fmt.Fprintln(c.out, text)
	}
	return cmp.Or(err, printErr)
}

// many returns a number of things.
func many[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// note tells people something, beside what the command prints.
func (c *command) note(what string) error {
	_, err := fmt.Fprintf(c.err, "%s: %s\n", c.cfg.Name, what)
	return err
}

func writeLine(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// text returns a key as JSON: nothing where there is none.
func text(key sink.Values) string {
	if key == nil {
		return ""
	}
	var b strings.Builder
	if writeLine(&b, key) != nil {
		return "?"
	}
	return strings.TrimSpace(b.String())
}

// masked returns a value, or why it isn't there.
func masked(json []byte, mask sink.Mask) string {
	if mask != "" {
		return "[" + string(mask) + "]"
	}
	return string(json)
}

func actor(a sink.Actor) string {
	s := a.ID
	if a.Type != "" {
		s = a.Type + " " + s
	}
	if a.Name != "" {
		s += " (" + a.Name + ")"
	}
	if a.OnBehalfOf != "" {
		s += " for " + a.OnBehalfOf
	}
	return s
}

// cellRunes is how long a cell may be. Longer values are for --json.
const cellRunes = 60

// cell returns a text for a cell of a table.
func cell(s string) string {
	runes := []rune(s)
	if len(runes) > cellRunes {
		s = string(runes[:cellRunes-1]) + "…"
	}
	return printable(s)
}

// printable escapes what would move the cursor of a terminal, change its colours
// or break a table: what is in a database was written by others.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
