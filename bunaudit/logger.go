package bunaudit

import (
	"log"
	"os"
	"strings"

	"github.com/sqlaudit/bun/internal/model"
)

// BunLogger is what bun.SetLogger takes.
type BunLogger interface {
	Printf(format string, args ...any)
}

// Logger returns a logger for bun.SetLogger that passes every line to next but
// Bun's warnings that it doesn't know the tag options audit, audit_key,
// audit_label and audit_was. Nil stands for Bun's own default, standard error.
//
// [New] installs one; Logger is for programs that call bun.SetLogger
// themselves, after New.
func Logger(next BunLogger) BunLogger {
	if next == nil {
		next = log.New(os.Stderr, "", log.LstdFlags)
	}
	return tagFilter{next: next}
}

type tagFilter struct{ next BunLogger }

func (f tagFilter) Printf(format string, args ...any) {
	if strings.HasSuffix(format, "has unknown tag option: %q") && len(args) > 0 {
		if name, ok := args[len(args)-1].(string); ok && model.IsOption(name) {
			return
		}
	}
	f.next.Printf(format, args...)
}
