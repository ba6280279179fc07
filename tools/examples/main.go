// Examples runs every program below examples/. A program there comes to its end by itself within two minutes, and
// exits with 0 only if what it shows is so.
//
//	go run ./examples ROOT
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const limit = 2 * time.Minute

func main() {
	flag.Parse()
	if err := runAll(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "examples:", err)
		os.Exit(1)
	}
}

func runAll(root string) error {
	modules, err := modulesBelow(filepath.Join(root, "examples"))
	if err != nil {
		return err
	}
	bin, err := filepath.Abs(filepath.Join(root, ".build", "example"))
	if err != nil {
		return err
	}
	var failed []string
	for _, module := range modules {
		dirs, err := programs(module)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			name, err := filepath.Rel(filepath.Dir(modules[0]), dir)
			if err != nil {
				return err
			}
			began := time.Now()
			if out, err := runOne(dir, bin); err != nil {
				fmt.Printf("%s failed: %v\n%s", name, err, out)
				failed = append(failed, name)
				continue
			}
			fmt.Printf("%s ran (%.1fs)\n", name, time.Since(began).Seconds())
		}
	}
	if failed != nil {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// modulesBelow returns dir, which is part of the library's module, and the directories below it that are modules of
// their own. It returns none if there is no dir.
func modulesBelow(dir string) (modules []string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && (path == dir || entry.Name() == "go.mod") {
			if path != dir {
				path = filepath.Dir(path)
			}
			modules = append(modules, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return modules, err
}

// programs returns the directories of the main packages in or below dir.
func programs(dir string) ([]string, error) {
	cmd := exec.Command("go", "list", "-f", `{{if eq .Name "main"}}{{.Dir}}{{end}}`, "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("can't list the programs in %s: %w", dir, err)
	}
	return strings.Fields(string(out)), nil
}

// runOne builds the program in dir as bin and runs it there. It returns what the program, or the compiler, printed.
func runOne(dir, bin string) ([]byte, error) {
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	run := exec.CommandContext(ctx, bin)
	run.Dir, run.WaitDelay = dir, time.Second
	out, err := run.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("still running after %v", limit)
	}
	return out, err
}
