package cli

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sqlaudit/bun/retrieval"
)

// bar shows people how far a long work is, on the standard error. The zero bar
// shows nothing.
type bar struct {
	shown *progressbar.ProgressBar
	drawn bool // perhaps: not each progress is
}

// unknown is a total that nobody knows.
const unknown = -1

// watched reports whether people see the standard error, and nothing else draws
// on their terminal, as a pager at the other end of a pipe does.
func (c *command) watched() bool {
	return isTerminal(c.err) && (isTerminal(c.out) || isFile(c.out))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func isFile(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// bar begins a work of a total number of things: nothing is shown to programs.
func (c *command) bar(total int64, title, things string) *bar {
	return c.newBar(total, title, progressbar.OptionShowIts(), progressbar.OptionSetItsString(things))
}

func (c *command) newBar(total int64, title string, how ...progressbar.Option) *bar {
	if !c.watched() {
		return &bar{}
	}
	return &bar{shown: progressbar.NewOptions64(total, append(how, progressbar.OptionShowCount(),
		progressbar.OptionSetWriter(c.err), progressbar.OptionSetDescription(title),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // or it draws from a goroutine that nothing stops
	)...)}
}

// set says how much has been done.
func (b *bar) set(p retrieval.Progress) {
	if b.shown != nil {
		_ = b.shown.Set64(p.Rows)
		b.drawn = true
	}
}

// Write says that so many bytes have been written.
func (b *bar) Write(p []byte) (int, error) {
	b.drawn = true
	return b.shown.Write(p)
}

// clear takes the bar away, until there is more progress.
func (b *bar) clear() {
	if b.drawn {
		_ = b.shown.Clear()
		b.drawn = false
	}
}

// output returns where to write results that may be long, and what takes the bar
// away again that shows how many bytes these are so far. Where people see the
// results themselves there is none.
func (c *command) output() (io.Writer, func()) {
	if !c.watched() || isTerminal(c.out) {
		return c.out, func() {}
	}
	b := c.newBar(unknown, "written", progressbar.OptionShowBytes(true))
	return io.MultiWriter(c.out, b), b.clear
}
