// Fuzz runs every fuzz test of some modules in turn, each for the same time. It stops at the first that fails; the input
// is then in the package's testdata/fuzz.
//
//	go run ./fuzz [-for 30s] MODULE ...
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	duration := flag.Duration("for", 30*time.Second, "how long each fuzz test runs")
	flag.Parse()
	if err := fuzzAll(flag.Args(), *duration); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// target is one fuzz test, of the module in dir.
type target struct{ dir, pkg, name string }

func fuzzAll(modules []string, duration time.Duration) error {
	var targets []target
	for _, dir := range modules {
		more, err := list(dir)
		if err != nil {
			return err
		}
		targets = append(targets, more...)
	}
	for _, t := range targets {
		fmt.Println(t.pkg, t.name)
		cmd := exec.Command("go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+duration.String(), t.pkg)
		cmd.Dir, cmd.Stdout, cmd.Stderr = t.dir, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s in %s failed: %w", t.name, t.pkg, err)
		}
	}
	fmt.Printf("fuzz: %d fuzz tests ran for %v each\n", len(targets), duration)
	return nil
}

// list asks the go command: go test -list names the tests of each package, -json says which package that is.
func list(dir string) (targets []target, err error) {
	cmd := exec.Command("go", "test", "-list=^Fuzz", "-json", "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("can't list the fuzz tests: %w\n%s", err, out)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var event struct{ Action, Package, Output string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("can't read the go command's list: %w", err)
		}
		if event.Action == "output" && strings.HasPrefix(event.Output, "Fuzz") {
			targets = append(targets, target{dir, event.Package, strings.TrimSpace(event.Output)})
		}
	}
	return targets, nil
}
