package doccode

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// packages are those that a block may use without an import.
var packages = map[string]string{
	"bun":       "github.com/uptrace/bun",
	"bunaudit":  "github.com/sqlaudit/bun/bunaudit",
	"context":   "context",
	"errors":    "errors",
	"fmt":       "fmt",
	"kafkasink": "github.com/sqlaudit/bun/sink_kafka",
	"pgdriver":  "github.com/uptrace/bun/driver/pgdriver",
	"retrieval": "github.com/sqlaudit/bun/retrieval",
	"sink":      "github.com/sqlaudit/bun/sink",
	"sqlsink":   "github.com/sqlaudit/bun/sink_sql",
	"time":      "time",
}

// block is a block of Go in a document.
type block struct {
	file  string // of the document
	line  int    // of the block's first
	given string // what the comment before it declares
	code  string
}

var fenced = regexp.MustCompile("(?ms)^(?:[ ]*<!-- given: ([^\n]*) -->\n)?([ ]*)```go\n(.*?)^[ ]*```")

// blocksOf finds the blocks of a document.
func blocksOf(file, text string) (blocks []block) {
	for _, at := range fenced.FindAllStringSubmatchIndex(text, -1) {
		b := block{file: file, line: 1 + strings.Count(text[:at[6]], "\n"), code: text[at[6]:at[7]]}
		if at[2] >= 0 {
			b.given = text[at[2]:at[3]]
		}
		if indent := text[at[4]:at[5]]; indent != "" { // in a list
			b.code = strings.TrimPrefix(strings.ReplaceAll("\n"+b.code, "\n"+indent, "\n"), "\n")
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func (b block) isProgram() bool { return strings.HasPrefix(b.code, "package ") }

// source is a file that compiles if the block is right. What it says of a
// position is where that is in the document.
func (b block) source() (string, error) {
	here := fmt.Sprintf("//line %s:%d\n", b.file, b.line)
	if b.isProgram() {
		return here + b.code, nil
	}
	body := "func _() error {\n" + b.given + "\n" + here + b.code + "//line wrapper.go:1\n"
	file, err := parser.ParseFile(token.NewFileSet(), "", "package blocks\n"+body+"return nil\n}\n", parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, name := range declared(file) {
		body += "_ = " + name + "\n"
	}
	return "package blocks\n\n" + imports(file) + body + "return nil\n}\n", nil
}

// imports are those of the packages that the file names.
func imports(file *ast.File) string {
	paths := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && packages[x.Name] != "" {
				paths[x.Name] = packages[x.Name]
			}
		}
		return true
	})
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&text, "import %s %q\n", name, paths[name])
	}
	return text.String()
}

// declared are the variables that the block leaves to the text after it.
func declared(file *ast.File) (names []string) {
	for _, stmt := range file.Decls[0].(*ast.FuncDecl).Body.List {
		switch s := stmt.(type) {
		case *ast.AssignStmt:
			for _, left := range s.Lhs {
				if name, ok := left.(*ast.Ident); ok && s.Tok == token.DEFINE && name.Name != "_" {
					names = append(names, name.Name)
				}
			}
		case *ast.DeclStmt:
			for _, spec := range s.Decl.(*ast.GenDecl).Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, name := range v.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
