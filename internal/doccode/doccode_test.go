package doccode

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	// A change to what the documents use is a reason to run the test again.
	_ "github.com/sqlaudit/bun/bunaudit"
	_ "github.com/sqlaudit/bun/retrieval"
	_ "github.com/sqlaudit/bun/sink_kafka"
)

const (
	root    = "../.."
	command = "bunaudit/cmd/bunaudit" // programs are compiled in its module, to which package cli belongs

	// What the documents import as the reader's own, and what stands in for it.
	shop, standIn = `"example.com/shop"`, `"github.com/sqlaudit/bun/internal/doccode/testdata/shop"`
)

func documents(t *testing.T) (blocks []block) {
	t.Helper()
	files := []string{filepath.Join(root, "README.md")}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	}))
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		absolute, err := filepath.Abs(file)
		require.NoError(t, err)
		found := blocksOf(absolute, string(text))
		require.Len(t, found, strings.Count(string(text), "```go\n"), "blocks of %s", file)
		blocks = append(blocks, found...)
	}
	return blocks
}

func TestTheCodeOfTheDocumentsCompiles(t *testing.T) {
	t.Parallel()
	blocks := documents(t)
	require.Greater(t, len(blocks), 10)
	if report := vet(t, blocks); report != "" {
		t.Error(report)
	}
}

func TestABlockThatIsWrongIsFound(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"/x.md:3: undefined: sqlsink.Now":                   "# X\n```go\nevents := sqlsink.Now()\n```\n",
		"/x.md:5: undefined: nobody":                        "1. List\n\n   ```go\n   if t0.Before(t1) {\n   \treturn nobody\n   }\n   ```\n",
		"/x.md:2: illegal character":                        "```go\nerr := do(…\n```\n",
		"/x.md:4: relay.Walk undefined":                     "<!-- given: var relay *kafkasink.Relay -->\n```go\n//\nerr := relay.Walk(ctx)\n```\n",
		"/x.md:4: undefined: run":                           "```go\npackage main\n\nfunc main() { run() }\n```\n",
		"fmt.Printf format %d has arg t0.String() of wrong": "```go\nfmt.Printf(\"%d\", t0.String())\n```\n",
	} {
		assert.Contains(t, vet(t, blocksOf("/x.md", text)), want, text)
	}
}

// vet compiles and vets the blocks, and returns what is wrong. Their files are
// there for the compiler alone: fragments in the package of known.go, a program in
// the place of the command.
func vet(t *testing.T, blocks []block) (report string) {
	t.Helper()
	fragments := map[string]string{}
	for i, b := range blocks {
		source, err := b.source()
		switch {
		case err != nil:
			report += err.Error() + "\n"
		case b.isProgram():
			report += govet(t, filepath.Join(root, command), inPlaceOfCommand(t, source))
		default:
			fragments[fmt.Sprintf("block%d.go", i)] = source
		}
	}
	if len(fragments) > 0 {
		report += govet(t, "testdata", fragments)
	}
	return report
}

// inPlaceOfCommand are the files of the command as if it were the program; none
// of its own is there.
func inPlaceOfCommand(t *testing.T, source string) map[string]string {
	t.Helper()
	files := map[string]string{"main.go": strings.ReplaceAll(source, shop, standIn)}
	own, err := filepath.Glob(filepath.Join(root, command, "*.go"))
	require.NoError(t, err)
	for _, file := range own {
		if name := filepath.Base(file); name != "main.go" {
			files[name] = ""
		}
	}
	return files
}

// govet runs go vet on the package in a folder, as if it had these files, and did
// not have those without text.
func govet(t *testing.T, folder string, files map[string]string) string {
	t.Helper()
	folder, err := filepath.Abs(folder)
	require.NoError(t, err)
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range files {
		file := ""
		if text != "" {
			file = filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		}
		overlay.Replace[filepath.Join(folder, name)] = file
	}
	list, err := json.Marshal(overlay)
	require.NoError(t, err)
	listFile := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(listFile, list, 0o600))

	cmd := exec.CommandContext(t.Context(), "go", "vet", "-overlay", listFile, ".")
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	return err.Error() + "\n" + string(out)
}
